"""Knows what runtimes refuse of ONNX files or compute wrongly, as docs/runtimes.md shows it.

Each row was seen in the version that it names: in a run of benchmarks/runtimes, or of a file with
one such operation. What is not in a row was not seen to fail, which is no promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from onnx import TensorProto

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.finding import Finding, RuntimeFinding
from keras_dropouts_export.formats.onnx.onnx_file import read

_UNSIGNED = (TensorProto.UINT32, TensorProto.UINT64)


@dataclass(frozen=True)
class _Scope:
    """A graph inside a file: where it is, its nodes by their outputs, and what is constant."""

    where: str
    graph: onnx.GraphProto
    producers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.constants.update(each.name for each in self.graph.initializer)
        for node in self.graph.node:
            self.producers.update(dict.fromkeys(node.output, node))
            if node.op_type == "Constant" or (node.input and self.constants >= set(node.input)):
                self.constants.update(node.output)  # constant, or computed from constants alone

    def ancestors(self, name: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes of this graph that a tensor is computed by."""
        seen, waiting = set(), [name]
        while waiting:
            node = self.producers.get(waiting.pop())
            if node is not None and node.output[0] not in seen:
                seen.add(node.output[0])
                waiting += node.input
                yield node


Condition = Callable[[onnx.NodeProto, _Scope], bool]


def _attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto | None:
    return next((each for each in node.attribute if each.name == name), None)


def _of_type(*types: str) -> Condition:
    return lambda node, scope: node.op_type in types


def _cast_to(node: onnx.NodeProto, *dtypes: int) -> bool:
    to = _attribute(node, "to")
    return node.op_type == "Cast" and to is not None and to.i in dtypes


def _unsigned(node: onnx.NodeProto, scope: _Scope) -> bool:
    return _cast_to(node, *_UNSIGNED)


def _hands_a_state_on(node: onnx.NodeProto, scope: _Scope) -> bool:
    """Return whether a Loop has a state that its body returns as it is."""
    body = _attribute(node, "body")
    if node.op_type != "Loop" or body is None:
        return False
    return not {each.name for each in body.g.input}.isdisjoint(each.name for each in body.g.output)


def _collects(node: onnx.NodeProto, scope: _Scope) -> bool:
    """Return whether a Loop has an output of every step put together."""
    return node.op_type == "Loop" and len(node.output) > len(node.input) - 2


def _shape_by_int32(node: onnx.NodeProto, scope: _Scope) -> bool:
    """Return whether a node takes a shape that is not constant and was cast to int32 on the way."""
    if node.op_type not in ("Expand", "Reshape") or node.input[1] in scope.constants:
        return False
    return any(_cast_to(each, TensorProto.INT32) for each in scope.ancestors(node.input[1]))


def _computed_range(node: onnx.NodeProto, scope: _Scope) -> bool:
    return node.op_type == "Range" and not scope.constants >= set(node.input)


def _half(node: onnx.NodeProto, scope: _Scope) -> bool:
    """Return whether a node takes a weight or an input of the file in float16."""
    halves = {x.name for x in scope.graph.initializer if x.data_type == TensorProto.FLOAT16}
    for value in scope.graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            halves.add(value.name)
    return not halves.isdisjoint(node.input)


@dataclass(frozen=True)
class Limit:
    """One thing that a runtime cannot: which nodes, and what happens."""

    applies: Condition
    reason: str


@dataclass(frozen=True)
class RuntimeLimits:
    """What is known of one runtime, and the version that it was seen in."""

    version: str
    limits: tuple[Limit, ...] = ()


_TRACT_LOOP = Limit(_of_type("Loop"), "is refused: tract has no Loop")
RUNTIMES: dict[str, RuntimeLimits] = {
    "onnxruntime": RuntimeLimits("onnxruntime 1.32.0"),
    "onnxruntime-node": RuntimeLimits("onnxruntime-node 1.30.0"),
    "onnxruntime-web-wasm": RuntimeLimits("onnxruntime-web 1.30.0"),
    "onnxruntime-web-webgpu": RuntimeLimits(
        "onnxruntime-web 1.30.0",
        (Limit(_half, "ends the call where the adapter has no float16 (shader-f16)"),),
    ),
    "openvino": RuntimeLimits(
        "OpenVINO 2026.4.1 on the CPU",
        (
            Limit(_unsigned, "is wrong without a word: OpenVINO computes it in int32"),
            Limit(_hands_a_state_on, "is refused: its body returns a state as it is"),
        ),
    ),
    "opencv": RuntimeLimits(
        "OpenCV 5.0.0",
        (
            Limit(_of_type("Loop"), "may be wrong without a word, or end the process"),
            Limit(_unsigned, "is refused: OpenCV has no arithmetic of unsigned integers"),
        ),
    ),
    "tract": RuntimeLimits(
        "tract 0.23.9",
        (
            _TRACT_LOOP,
            Limit(_shape_by_int32, "is refused: tract follows dynamic sizes in int64 alone"),
        ),
    ),
    "tract-fixed-shapes": RuntimeLimits(
        "tract 0.23.9, all sizes fixed",
        (_TRACT_LOOP, Limit(_computed_range, "is refused: tract does not know its length")),
    ),
    "onnx-reference": RuntimeLimits(
        "the reference evaluator of onnx 1.23.2",
        (Limit(_collects, "is wrong without a word: what its steps give is joined, not stacked"),),
    ),
}


def runtime_findings(path: Path, runtime: str) -> tuple[RuntimeFinding, ...]:
    """Return what a runtime cannot of an ONNX file, the first node for each reason and type.

    Raises:
        ValueError: if there is no such runtime in the table, or the file cannot be read.
    """
    known = RUNTIMES.get(runtime) if isinstance(runtime, str) else None
    if known is None:
        names = ", ".join(repr(name) for name in RUNTIMES)
        raise invalid("runtime", f"None, or one of {names}", runtime)
    found: dict[tuple[str, str], RuntimeFinding] = {}
    for scope in _scopes(read(path, weights=False)):
        for node in scope.graph.node:
            for limit in known.limits:
                key = (node.op_type, limit.reason)
                if key not in found and limit.applies(node, scope):
                    place = Finding(node.op_type, node.name, scope.where)
                    found[key] = RuntimeFinding(place, known.version, limit.reason)
    return tuple(found.values())


def _scopes(model: onnx.ModelProto) -> Iterator[_Scope]:
    waiting = [_Scope("the main graph", model.graph)]
    while waiting:
        scope = waiting.pop()
        yield scope
        for node in scope.graph.node:
            for each in node.attribute:
                graphs = [each.g] if each.type == onnx.AttributeProto.GRAPH else list(each.graphs)
                where = f"{each.name} of {node.op_type} {node.name!r}"
                waiting += [_Scope(where, graph) for graph in graphs]
