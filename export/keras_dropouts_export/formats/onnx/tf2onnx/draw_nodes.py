"""Marks the draws of Monte-Carlo samples in a TensorFlow graph and writes them as ONNX nodes.

A draw of all samples at once has no operation in TensorFlow. It is marked by one that is never
run, StatelessRandomUniformFullIntV2 with an algorithm that does not exist. tf2onnx hands it on as
one node, as its passes take long over many, and then it is written out.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from keras_dropouts.noise.sampler import Sampler
from keras_dropouts.types import Tensor
from keras_dropouts_export.formats.onnx.graph_edits import rename_tensors, subgraphs
from keras_dropouts_export.formats.onnx.tf2onnx.nodes import replace_node
from keras_dropouts_export.formats.onnx.tf2onnx.philox_nodes import (
    Rows,
    philox_decisions,
    philox_numbers,
)
from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import Words32, Words64

_NUMBERS, _DECISIONS = 23, 24  # what is drawn, by the bits that it has
_NATIVE, _PORTABLE = 2000, 1000  # added to that in a mark
_DOMAIN, _DRAW = "keras_dropouts", "Draw"
_MARK = "StatelessRandomUniformFullIntV2"  # the operation of TensorFlow that marks a draw
_SEEDS = (np.array([2]), np.array([2**63 - 1]), np.array([0]))  # starts, ends, axes


class MarkedSampler(Sampler):
    """A sampler whose draws become Philox in ONNX; the seeds of its rows are int64, (rows,)."""

    mark = 0

    def numbers(self, seeds: Tensor, place: int, draw: int, count: Any) -> Tensor:
        """Return the mark of numbers of 23 bits: int32 of shape (rows, samples, count)."""
        return self._mark(_NUMBERS, seeds, place, draw, count, tf.zeros([], tf.int64))

    def decisions(self, seeds: Tensor, place: int, draw: int, count: Any, below: Tensor) -> Tensor:
        """Return the mark of decisions: booleans of shape (rows, samples, count)."""
        below = tf.cast(below, tf.int64)
        return tf.cast(self._mark(_DECISIONS, seeds, place, draw, count, below), tf.bool)

    def _mark(
        self, kind: int, seeds: Tensor, place: int, draw: int, count: Any, below: Tensor
    ) -> Tensor:
        # A size that is known is a constant, or shapes that follow from it would not be known.
        rows = seeds.shape[0] or tf.shape(seeds, tf.int64)[0]
        words = tf.concat([[tf.cast(self.first, tf.int64), below], seeds], axis=0)
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=tf.stack([rows, self.count, count]),
            key=tf.constant([draw | place << 32], tf.uint64),
            counter=tf.cast(words, tf.uint64),
            alg=self.mark + kind,
            dtype=tf.int32,
        )


class PortableSampler(MarkedSampler):
    """A sampler whose draws become Philox in integers of 32 bits alone."""

    mark = _PORTABLE


class NativeSampler(MarkedSampler):
    """A sampler whose draws become the runtime's own random numbers, which take no seed."""

    mark = _NATIVE


SAMPLERS = {"philox": MarkedSampler, "portable": PortableSampler, "native": NativeSampler}


class _Constants:
    """The constants that draws share, as initializers of the main graph."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.made: list[onnx.TensorProto] = []

    def __call__(self, value: np.ndarray) -> str:
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self.names:
            self.names[key] = f"draw_constant_{len(self.made)}"
            self.made.append(numpy_helper.from_array(value, self.names[key]))
        return self.names[key]


class _Builder:
    """Makes the nodes of one draw."""

    def __init__(self, scope: str, constants: _Constants) -> None:
        self.scope = scope
        self.nodes: list[onnx.NodeProto] = []
        self.constant = constants

    def node(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Any:
        name = self.name(f"{op}_{len(self.nodes)}")
        names = [f"{name}:{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def name(self, of: str) -> str:
        return f"{self.scope}/{of}"

    def inside(self) -> _Builder:
        return _Builder(self.name(f"body_{len(self.nodes)}"), self.constant)


def handle(graph: Any, node: Any, name: str, _: Any) -> None:
    """Hand a mark through tf2onnx, as one node for `expand_draws`; a handler of tf2onnx."""
    mark = int(node.inputs[3].get_tensor_value())
    if mark % _PORTABLE not in (_NUMBERS, _DECISIONS):
        raise ValueError(f"{node.type} {name!r} draws what no seed of the file's reaches")
    key = int(np.uint64(node.inputs[1].get_tensor_value()[0]).astype(np.int64))
    # The seeds as they come in: a runtime that has no uint64 would change negative ones.
    source = node.inputs[2]
    words = source.input[0] if source.type == "Cast" else node.input[2]
    inputs = [node.input[0], words]
    output = node.output[0]
    replace_node(graph, node, _DRAW, inputs, domain=_DOMAIN, mark=mark, key=key)
    if mark % _PORTABLE == _DECISIONS:
        graph.set_dtype(output, TensorProto.BOOL)


def expand_draws(model: onnx.ModelProto) -> None:
    """Write every draw in `model` as plain ONNX nodes, those in loops included."""
    constants = _Constants()
    for graph in subgraphs(model.graph):
        nodes = [part for node in graph.node for part in _expanded(node, constants)]
        del graph.node[:]
        graph.node.extend(nodes)
    model.graph.initializer.extend(constants.made)
    rename_tensors(model.graph, lambda name: name.replace(_MARK, _DRAW))
    plain = [each for each in model.opset_import if each.domain != _DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(plain)


def is_draw(node: onnx.NodeProto) -> bool:
    """Return whether a node of an exported file hands on the numbers of a draw."""
    return node.op_type == "Identity" and re.search(rf"(^|/){_DRAW}(_\d+)*$", node.name) is not None


def _expanded(node: onnx.NodeProto, constants: _Constants) -> list[onnx.NodeProto]:
    if node.domain != _DOMAIN:
        return [node]
    builder = _Builder(node.name.replace(_MARK, _DRAW), constants)
    given = {each.name: int(each.i) for each in node.attribute}
    mark, key = given["mark"], given["key"]
    shape = builder.node("Cast", [node.input[0]], to=TensorProto.INT64)
    words = builder.node("Cast", [node.input[1]], to=TensorProto.INT64)
    below = builder.node("Cast", [_item(builder, words, 1)], to=TensorProto.INT32)
    kind = mark % _PORTABLE
    if mark >= _NATIVE:
        made = _native(builder, shape, kind, below)
    else:
        seeds = builder.node("Slice", [words, *(builder.constant(x) for x in _SEEDS)])
        samples, count = _item(builder, shape, 1), _item(builder, shape, 2)
        rows = Rows(seeds, _item(builder, words, 0), samples, count)
        arithmetic = Words32 if mark >= _PORTABLE else Words64
        halves = key & 0xFFFFFFFF, key >> 32
        if kind == _DECISIONS:
            made = philox_decisions(builder, halves, rows, below, arithmetic)
        else:
            made = philox_numbers(builder, halves, rows, arithmetic)
    return [
        *builder.nodes,
        helper.make_node("Identity", [made], list(node.output), name=builder.scope),
    ]


def _item(builder: _Builder, vector: str, index: int) -> str:
    """Return a number of a vector, as a vector of one."""
    return str(builder.node("Gather", [vector, builder.constant(np.array([index]))], axis=0))


def _native(builder: _Builder, shape: str, kind: int, below: str) -> str:
    zeros = builder.node("ConstantOfShape", [shape])
    numbers = builder.node("RandomUniformLike", [zeros], dtype=TensorProto.FLOAT)
    scaled = builder.node("Mul", [numbers, builder.constant(np.array(2.0**kind, np.float32))])
    if kind == _DECISIONS:
        limit = builder.node("Cast", [below], to=TensorProto.FLOAT)
        return str(builder.node("GreaterOrEqual", [scaled, limit]))
    return str(builder.node("Cast", [builder.node("Floor", [scaled])], to=TensorProto.INT32))
