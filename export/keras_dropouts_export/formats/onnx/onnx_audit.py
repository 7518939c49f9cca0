"""The audit of an ONNX file: its graph, the graphs inside its nodes and its local functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.finding import Finding

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


def findings(path: Path) -> dict[str, Any]:
    """Return the findings in an ONNX file, by the field names of `AuditReport`."""
    model = load(path)
    versions = {each.domain: each.version for each in model.opset_import}
    local = {(each.domain, each.name) for each in model.functions}
    nodes = list(_nodes(model.graph.node, "the main graph"))
    for function in model.functions:
        nodes += _nodes(function.node, f"function {function.name}")
    return {
        "operations": len(nodes),
        "random_ops": [each for node, each in nodes if node.op_type in RANDOM],
        "state_writes": [],
        "unknown_ops": [each for node, each in nodes if not _known(node, versions, local)],
    }


def load(path: Path) -> onnx.ModelProto:
    """Return the model in an ONNX file, without external data.

    Raises:
        ValueError: if the file is not an ONNX model, or is cut off.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise invalid("path", "a whole ONNX file", str(path), f"It cannot be read: {error}") from (
            error
        )
    if not model.opset_import or not model.graph.output:
        raise invalid("path", "a whole ONNX file", str(path), "It holds no graph.")
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
