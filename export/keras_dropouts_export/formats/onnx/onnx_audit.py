"""Looks for random and unknown operations in an ONNX file, inner graphs and functions included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx

from keras_dropouts_export.formats.finding import Finding, Findings
from keras_dropouts_export.formats.onnx.onnx_file import read

RANDOM = frozenset(
    [
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    ]
)


def findings(path: Path) -> Findings:
    """Return what an ONNX file holds that must not be served."""
    model = read(path, weights=False)
    versions = {each.domain: each.version for each in model.opset_import}
    local = {(each.domain, each.name) for each in model.functions}
    nodes = list(_nodes(model.graph.node, "the main graph"))
    for function in model.functions:
        nodes += _nodes(function.node, f"function {function.name}")
    return Findings(
        operations=len(nodes),
        random_ops=tuple(each for node, each in nodes if node.op_type in RANDOM),
        unknown_ops=tuple(each for node, each in nodes if not _known(node, versions, local)),
    )


def _nodes(nodes: Iterable[onnx.NodeProto], where: str) -> Iterator[tuple[onnx.NodeProto, Finding]]:
    for node in nodes:
        yield node, Finding(node.op_type, node.name, where)
        for attribute in node.attribute:
            graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else []
            for graph in (*graphs, *attribute.graphs):
                yield from _nodes(graph.node, f"{attribute.name} of {node.op_type} {node.name!r}")


def _known(node: onnx.NodeProto, versions: dict[str, int], local: set[tuple[str, str]]) -> bool:
    domain = "" if node.domain == "ai.onnx" else node.domain
    if (node.domain, node.op_type) in local:
        return True
    version = versions.get(node.domain, versions.get(domain))
    return version is not None and bool(onnx.defs.has(node.op_type, version, domain))
