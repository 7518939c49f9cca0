"""Collects the operations that we write in ONNX ourselves, in the form that tf2onnx takes.

tf2onnx calls a handler with its graph, the node, the node's name and extra arguments (none here).
None of the operations has an entry upstream: https://github.com/onnx/tensorflow-onnx.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from keras_dropouts_export.formats.onnx.tf2onnx import (
    arithmetic,
    convolutions,
    draw_nodes,
    fourier,
    gru_nodes,
    images,
    index_operations,
    tensor_lists,
)
from keras_dropouts_export.formats.onnx.tf2onnx.einsum import einsum
from keras_dropouts_export.formats.onnx.tf2onnx.nodes import Handler, Nodes, Write, handler


def _erfc(nodes: Nodes, inputs: Sequence[str]) -> str:
    """1 - erf(x): the exact gelu of Keras."""
    return nodes("Sub", nodes.constant(1.0), nodes("Erf", inputs[0]))


def _expm1(nodes: Nodes, inputs: Sequence[str]) -> str:
    """exp(x) - 1, which is 2 tanh(x/2) / (1 - tanh(x/2)): exact near 0, overflowing as exp does."""
    small = nodes("Tanh", nodes("Mul", inputs[0], nodes.constant(0.5)))
    near = nodes("Div", nodes("Add", small, small), nodes("Sub", nodes.constant(1.0), small))
    far = nodes("Sub", nodes("Exp", inputs[0]), nodes.constant(1.0))
    is_near = nodes("Less", nodes("Abs", inputs[0]), nodes.constant(0.5))
    return nodes("Where", is_near, near, far)


def _log1p(nodes: Nodes, inputs: Sequence[str]) -> str:
    """log(1 + x) as log(u) x / (u - 1) with u = 1 + x rounded, which is exact near 0 (Kahan)."""
    one = nodes.constant(1.0)
    rounded = nodes("Add", inputs[0], one)
    near = nodes("Equal", rounded, one)
    difference = nodes("Where", near, one, nodes("Sub", rounded, one))
    exact = nodes("Mul", nodes("Log", rounded), nodes("Div", inputs[0], difference))
    return nodes("Where", near, inputs[0], exact)


def _pad_v2(nodes: Nodes, inputs: Sequence[str]) -> str:
    """tf2onnx pads what is no float as float, and leaves the value that it pads with as it was."""
    pads = nodes.graph.get_node_by_output(inputs[1])
    if pads.is_const():
        sizes = nodes.constant(pads.get_tensor_value(as_list=False).T.ravel(), np.int64)
    else:
        columns = nodes("Transpose", nodes("Cast", inputs[1], to=TensorProto.INT64), perm=[1, 0])
        sizes = nodes("Reshape", columns, nodes.constant([-1], np.int64))
    return nodes("Pad", inputs[0], sizes, inputs[2], mode="constant")


def _xlogy(nodes: Nodes, inputs: Sequence[str]) -> str:
    """x log(y), and 0 where x is 0."""
    zero = nodes.constant(0.0)
    product = nodes("Mul", inputs[0], nodes("Log", inputs[1]))
    return nodes("Where", nodes("Equal", inputs[0], zero), zero, product)


def _xdivy(nodes: Nodes, inputs: Sequence[str]) -> str:
    """x / y, and 0 where x is 0."""
    zero = nodes.constant(0.0)
    return nodes("Where", nodes("Equal", inputs[0], zero), zero, nodes("Div", inputs[0], inputs[1]))


def _l2_loss(nodes: Nodes, inputs: Sequence[str]) -> str:
    """sum(x^2) / 2."""
    total = nodes("ReduceSumSquare", inputs[0], keepdims=0)
    return nodes("Mul", total, nodes.constant(0.5))


def _same(nodes: Nodes, inputs: Sequence[str]) -> str:
    return inputs[0]


_WRITERS: dict[str, Write] = {
    **fourier.WRITERS,
    **images.WRITERS,
    **arithmetic.WRITERS,
    **index_operations.WRITERS,
    "Erfc": _erfc,
    "Expm1": _expm1,
    "L2Loss": _l2_loss,
    "PadV2": _pad_v2,
    "Log1p": _log1p,
    "PreventGradient": _same,
    "Snapshot": _same,
    "Xdivy": _xdivy,
    "Xlogy": _xlogy,
}

# In the form that tf2onnx takes: operation -> (function, arguments).
HANDLERS: dict[str, tuple[Handler, list[Any]]] = {
    "Einsum": (einsum, []),
    **{key: (each, []) for key, each in arithmetic.HANDLERS.items()},
    **{key: (each, []) for key, each in convolutions.HANDLERS.items()},
    **{key: (each, []) for key, each in tensor_lists.HANDLERS.items()},
    "CudnnRNN": (gru_nodes.handle, []),
    "StatelessRandomUniformFullIntV2": (draw_nodes.handle, []),  # of Monte-Carlo dropout
    **{operation: (handler(write), []) for operation, write in _WRITERS.items()},
}
