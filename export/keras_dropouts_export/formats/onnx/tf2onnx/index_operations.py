"""Writes searches, and updates by index, in ONNX that tf2onnx does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from keras_dropouts_export.formats.onnx.tf2onnx.nodes import Nodes, Write


def _count(nodes: Nodes, true: str, dtype: int) -> str:
    """Return how many along the last axis are true."""
    last = nodes.constant([-1], np.int64)
    return nodes("ReduceSum", nodes("Cast", true, to=dtype), last, keepdims=0)


def bucketize(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The number of boundaries at or below each value: `Discretization`, `digitize`."""
    boundaries = nodes.constant(list(nodes.attribute("boundaries").floats), np.float32)
    values = nodes("Cast", inputs[0], to=TensorProto.FLOAT)
    values = nodes("Unsqueeze", values, nodes.constant([-1], np.int64))
    return _count(nodes, nodes("GreaterOrEqual", values, boundaries), TensorProto.INT32)


def bound(comparison: str) -> Write:
    """`searchsorted` in rows: how many of the sorted numbers are below (or at) each value."""

    def write(nodes: Nodes, inputs: Sequence[str]) -> str:
        row = nodes("Unsqueeze", inputs[0], nodes.constant([1], np.int64))
        column = nodes("Unsqueeze", inputs[1], nodes.constant([2], np.int64))
        return _count(nodes, nodes(comparison, row, column), nodes.output_dtype)

    return write


def in_top_k(nodes: Nodes, inputs: Sequence[str]) -> str:
    """Whether fewer than k predictions are above that of the target."""
    predictions, targets, k = inputs
    column = nodes("Unsqueeze", targets, nodes.constant([1], np.int64))
    target = nodes("GatherElements", predictions, column, axis=1)
    above = _count(nodes, nodes("Greater", predictions, target), TensorProto.INT64)
    return nodes("Less", above, nodes("Cast", k, to=TensorProto.INT64))


def broadcast_args(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The shape that two shapes have in common, of which each size is 1 or the same."""
    lengths = [nodes.graph.get_shape(each)[0] for each in inputs]
    full = [
        nodes("Concat", nodes.constant([1] * (max(lengths) - length)), each, axis=0)
        if length < max(lengths)
        else each
        for each, length in zip(inputs, lengths, strict=True)
    ]
    return nodes("Max", *full)


def update_slice(nodes: Nodes, inputs: Sequence[str]) -> str:
    """`slice_update`: a part of a tensor that begins at an index, replaced.

    As XLA does, an index is moved so that the part lies inside.
    """
    whole, part, start = inputs[0], inputs[1], nodes("Cast", inputs[2], to=TensorProto.INT64)
    sizes = nodes("Shape", part)
    most = nodes("Sub", nodes("Shape", whole), sizes)
    start = nodes("Max", nodes("Min", start, most), nodes.constant(0, np.int64))
    last = nodes.constant([-1], np.int64)
    places = []
    for axis in range(nodes.rank):
        index = nodes.constant(axis, np.int64)
        zero, one = nodes.constant(0, np.int64), nodes.constant(1, np.int64)
        along = nodes("Range", zero, nodes("Gather", sizes, index), one)
        along = nodes("Add", along, nodes("Gather", start, index))
        shape = nodes.constant([-1] + [1] * (nodes.rank - 1 - axis), np.int64)
        along = nodes("Expand", nodes("Reshape", along, shape), sizes)
        places.append(nodes("Unsqueeze", along, last))
    return nodes("ScatterND", whole, nodes("Concat", *places, axis=-1), part)


WRITERS: dict[str, Write] = {
    "BroadcastArgs": broadcast_args,
    "Bucketize": bucketize,
    "InTopKV2": in_top_k,
    "LowerBound": bound("Less"),
    "UpperBound": bound("LessOrEqual"),
    "XlaDynamicUpdateSlice": update_slice,
}
