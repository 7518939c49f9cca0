"""Looks for random and unknown operations in an ONNX file, inner graphs and functions included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from keras_dropouts_export.formats.finding import Finding, Findings
from keras_dropouts_export.formats.format import unreadable

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
    model = load(path)
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


def load(path: Path) -> onnx.ModelProto:
    """Return the model in an ONNX file, without external data.

    Raises:
        ValueError: if the file is not an ONNX model, or is cut off.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise unreadable(path, "ONNX file", error) from error
    if not model.opset_import or not model.graph.output:
        raise unreadable(path, "ONNX file", "it holds no graph")
    return model


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
