"""Computes sizes of tensors in int64 from end to end, where a file goes through int32 in between.

TensorFlow counts sizes in int32 and ONNX in int64, so a converted file casts them to and fro.
OpenVINO loses there what it knows of a dynamic dimension, and refuses the file; other runtimes are
spared the casts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from keras_dropouts_export.formats.onnx.graph_edits import subgraphs

# By the operation, how many of its inputs are sizes, None for all; the others say which of them.
_OPERATIONS = {
    "Slice": 1,
    "Gather": 1,
    "Squeeze": 1,
    "Unsqueeze": 1,
    "Identity": 1,
    "Concat": None,
    "Add": None,
    "Sub": None,
    "Mul": None,
}


def keep_sizes_long(model: onnx.ModelProto) -> None:
    """Let what is a size in int64 at both ends be one in between as well, in `model` itself."""
    shared = {each.name: each for each in model.graph.initializer}
    for graph in subgraphs(model.graph):
        own = {each.name: each for each in graph.initializer}
        _Sizes(graph, shared | own).widen()
    _remove_unused(model.graph)


class _Sizes:
    """The sizes in one graph; `constants` are all that its nodes can name."""

    def __init__(self, graph: onnx.GraphProto, constants: dict[str, TensorProto]) -> None:
        self.graph, self.constants = graph, constants
        self.makers = {name: node for node in graph.node for name in node.output if name}
        self.twins: dict[str, str] = {}  # by the name of a size in int32, that of it in int64
        self.made: list[onnx.NodeProto] = []

    def widen(self) -> None:
        """Add what computes the sizes in int64, and take it in place of casts to int64."""
        nodes: list[onnx.NodeProto] = []
        for node in self.graph.node:
            if _casts_to(node, TensorProto.INT64) and self._is_size(node.input[0]):
                source = self._twin(node.input[0])
                nodes += self.made
                self.made = []
                node = onnx.helper.make_node("Identity", [source], list(node.output), node.name)
            nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(nodes)

    def _is_size(self, name: str) -> bool:
        """Return whether a value in int32 is made of sizes of tensors and constants alone."""
        if name in self.twins:
            return True
        node = self.makers.get(name)
        if node is None:
            return False
        if _casts_to(node, TensorProto.INT32):
            before = self.makers.get(node.input[0])
            return before is not None and before.op_type == "Shape"
        inputs = _sizes_among(node)
        return bool(inputs) and all(self._is_constant(x) or self._is_size(x) for x in inputs)

    def _is_constant(self, name: str) -> bool:
        known = self.constants.get(name)
        return known is not None and known.data_type == TensorProto.INT32

    def _twin(self, name: str) -> str:
        """Return the name of a size in int64."""
        if name not in self.twins:
            self.twins[name] = f"{name}__long"
            node = self.makers.get(name)
            if node is None:
                values = numpy_helper.to_array(self.constants[name]).astype(np.int64)
                self.graph.initializer.append(numpy_helper.from_array(values, self.twins[name]))
            elif _casts_to(node, TensorProto.INT32):
                self.twins[name] = node.input[0]
            else:
                self._compute_twin(node)
        return self.twins[name]

    def _compute_twin(self, node: onnx.NodeProto) -> None:
        twin = onnx.NodeProto()
        twin.CopyFrom(node)
        twin.name = f"{node.output[0]}__long"
        sizes = len(_sizes_among(node))
        twin.input[:] = [self._twin(each) for each in node.input[:sizes]] + node.input[sizes:]
        twin.output[:] = [f"{node.output[0]}__long"]
        self.made.append(twin)


def _sizes_among(node: onnx.NodeProto) -> list[str]:
    if node.op_type not in _OPERATIONS:
        return []
    return list(node.input[: _OPERATIONS[node.op_type]])


def _casts_to(node: onnx.NodeProto, dtype: int) -> bool:
    return node.op_type == "Cast" and any(each.i == dtype for each in node.attribute)


def _remove_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes of `_OPERATIONS`, casts, shapes and constants that nothing takes any more."""
    removable = {*_OPERATIONS, "Cast", "Shape"}
    found = 1
    while found:
        used, found = set(_names(subgraphs(graph))), 0
        for each in subgraphs(graph):
            # In place, one by one: what is put in anew is a copy, and so are the graphs inside it.
            for i in reversed(range(len(each.node))):
                node = each.node[i]
                if node.op_type in removable and not used.intersection(node.output):
                    del each.node[i]
                    found += 1
    for each in subgraphs(graph):
        for i in reversed(range(len(each.initializer))):  # none is copied: they may be large
            if each.initializer[i].name not in used:
                del each.initializer[i]


def _names(graphs: Iterable[onnx.GraphProto]) -> Iterable[str]:
    for graph in graphs:
        yield from (value.name for value in graph.output)
        for node in graph.node:
            yield from node.input
