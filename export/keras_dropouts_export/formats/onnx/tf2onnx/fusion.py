"""Rewrites parts of a TensorFlow graph, before tf2onnx converts it, so that the ONNX runs faster.

Neither tf2onnx nor onnxruntime finds these in what Keras writes: layer normalization as one node,
`gelu` in the form that runtimes fuse, and a Dense layer over sequences as one product, without
computing shapes. The arithmetic is the same, and all is plain ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from tf2onnx import utils

from keras_dropouts_export.formats.onnx.tf2onnx.nodes import replace_node

LAYER_NORMALIZATION_OPSET = 17
_ADD = ("Add", "AddV2")

Node = Any
Graph = Any


def _of(node: Node, *kinds: str) -> list[Node]:
    """Return the nodes that make the inputs of `node`, none if it is not one of `kinds`."""
    return list(node.inputs) if node is not None and node.type in kinds else [None] * 4


def _number(node: Node) -> float:
    """Return the value of a constant of one element, else nan."""
    if node is None or not node.is_const():
        return math.nan
    value = node.get_tensor_value(as_list=False)
    return float(value.item()) if value.size == 1 else math.nan


def _integers(node: Node) -> list[int]:
    """Return the integers of a constant, [] if it is none."""
    if node is None or not node.is_const():
        return []
    return [int(each) for each in np.atleast_1d(node.get_tensor_value(as_list=False))]


def _layer_normalization(graph: Graph, node: Node) -> None:
    """(x - mean) * inv + beta, inv = gamma / sqrt(mean((x - mean)**2) + epsilon), in both forms."""
    source, mean, inverse, beta = _folded(node) or _centred(node) or ("", None, None, None)
    root, gamma = (
        (inverse, None) if inverse and inverse.type == "Rsqrt" else _of(inverse, "Mul")[:2]
    )
    variance, epsilon = _of(_of(root, "Rsqrt")[0], *_ADD)[:2]
    deviation, averaged = _deviation(variance)
    if deviation is None or mean is None or math.isnan(_number(epsilon)):
        return
    right = deviation.inputs[1]
    centre = right.inputs[0] if right.type == "StopGradient" else right
    if centre is not mean or deviation.input[0] != source or mean.type != "Mean":
        return
    shape = graph.get_shape(source)
    if not shape or shape[-1] < 2 or mean.input[0] != source:
        return
    if any(not _over_last_axis(each, len(shape)) for each in (mean, *averaged)):
        return
    vectors = [_vector(graph, each, shape[-1], source) for each in (gamma, beta)]
    if vectors[0] and (vectors[1] or beta is None):
        inputs = [source, *vectors] if beta is not None else [source, vectors[0]]
        replace_node(graph, node, "LayerNormalization", inputs, axis=-1, epsilon=_number(epsilon))


def _folded(node: Node) -> tuple[str, Node, Node, Node] | None:
    """Read x, mean, inv and beta out of x * inv + (-mean * inv + beta), as Keras 3.15 writes it."""
    scaled, shift = _of(node, *_ADD)[:2]
    inverse = _of(scaled, "Mul")[1]
    product, beta = (shift, None) if shift and shift.type == "Mul" else _of(shift, *_ADD)[:2]
    negative, again = _of(product, "Mul")[:2]
    mean = _of(negative, "Neg")[0]
    return None if mean is None or again is not inverse else (scaled.input[0], mean, inverse, beta)


def _centred(node: Node) -> tuple[str, Node, Node, Node] | None:
    """Read x, mean, inv and beta out of (x - mean) * inv + beta, as Keras 3.16 (nightly) does."""
    product, beta = (node, None) if node.type == "Mul" else _of(node, *_ADD)[:2]
    difference, inverse = _of(product, "Mul")[:2]
    mean = _of(difference, "Sub")[1]
    return None if mean is None else (difference.input[0], mean, inverse, beta)


def _deviation(variance: Node) -> tuple[Node, tuple[Node, ...]]:
    """Return the node that subtracts the mean, and the means over its square, in both forms.

    TensorFlow 2.21 writes mean((x - mean)**2), where one operation subtracts and squares. The
    nightly 2.23 writes max(mean(d**2) - mean(d)**2, 0), where d = x - mean.
    """
    inner = _of(variance, "Mean")[0]
    if inner is not None:
        return (inner if inner.type == "SquaredDifference" else None), (variance,)
    first, second = _of(_of(variance, "Maximum")[0], "Sub")[:2]
    square, mean = _of(first, "Mean")[0], _of(second, "Square")[0]
    left, right = _of(square, "Square")[0], _of(mean, "Mean")[0]
    same = left is not None and left is right and left.type == "Sub"
    return (left if same else None), (first, mean)


def _over_last_axis(mean: Node, rank: int) -> bool:
    return _integers(mean.inputs[1]) in ([-1], [rank - 1]) and bool(mean.get_attr_int("keep_dims"))


def _vector(graph: Graph, node: Node, size: int, like: str) -> str:
    """Return a tensor of shape (size,) of what is broadcast along the last axis, "" if not so."""
    if node is None:  # no gamma
        dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(like))
        return str(graph.make_const(utils.make_name("ones"), np.ones(size, dtype)).output[0])
    if node.is_const():
        value = node.get_tensor_value(as_list=False)
        if value.shape[-1:] != (size,) or value.size != size:
            return ""
        return str(graph.make_const(utils.make_name(node.name), value.reshape(-1)).output[0])
    inner = node.input[0] if node.type == "Reshape" else node.output[0]
    wide = graph.get_shape(node.output[0])
    fits = graph.get_shape(inner) == [size] and wide is not None and wide[-1] == size
    return str(inner) if fits else ""


def _gelu(graph: Graph, node: Node) -> None:
    """x / 2 * erfc(-x * sqrt(1/2)) as x * (1 + erf(x / sqrt(2))) / 2, of which runtimes know."""
    half, complement = _of(node, "Mul")[:2]
    number, x = _of(half, "Mul")[:2]
    negative, factor = _of(_of(complement, "Erfc")[0], "Mul")[:2]
    if x is None or negative is None or negative.type != "Neg":
        return
    source = half.input[1]
    near = abs(_number(factor) - math.sqrt(0.5)) < 1e-3  # in half precision, too
    if negative.input[0] != source or _number(number) != 0.5 or not near:
        return
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(source))

    def write(operation: str, first: str, second: str | float | None = None) -> str:
        inputs = [first]
        if isinstance(second, float):
            constant = graph.make_const(utils.make_name("gelu"), np.array(second, dtype))
            inputs.append(constant.output[0])
        elif second is not None:
            inputs.append(second)
        made = graph.make_node(operation, inputs, op_name_scope=node.name, skip_conversion=True)
        return str(made.output[0])

    erf = write("Erf", write("Div", source, math.sqrt(2.0)))
    product = write("Mul", source, write("Add", erf, 1.0))
    last = graph.make_const(utils.make_name("gelu"), np.array(0.5, dtype))
    replace_node(graph, node, "Mul", [product, last.output[0]])


def _dense(graph: Graph, node: Node) -> None:
    """Reshape(Reshape(x, (m, k)) @ kernel, (*shape of x but the last, n)) as x @ kernel."""
    product, shape = _of(node, "Reshape")[:2]
    flat = _of(product, "MatMul")[0]
    x = _of(flat, "Reshape")[0]
    if x is None or any(product.get_attr_value(f"transpose_{each}", 0) for each in "ab"):
        return
    source = flat.input[0]
    sizes, weights = graph.get_shape(source), graph.get_shape(product.input[1])
    if not sizes or weights is None or sizes[-1] < 1 or weights[:1] != sizes[-1:]:
        return
    free, last, axis = _of(shape, "ConcatV2")[:3]
    counted, indices = _of(free, "GatherV2")[:2]
    of = counted.input[0] if counted is not None and counted.type == "Shape" else None
    all_but_last = _integers(indices) == list(range(len(sizes) - 1))
    if of == source and all_but_last and _integers(last) == weights[1:] and axis is not None:
        replace_node(graph, node, "MatMul", [source, product.input[1]])


def _kept_batch(graph: Graph, node: Node) -> None:
    """Reshape(x, (size of the first axis of x, m, n)) with a constant shape, (0, m, n) in ONNX."""
    shape = _of(node, "Reshape")[1]
    first, *others = _of(shape, "Pack")
    sizes = [_integers(other) for other in others]
    counted = _of(first, "StridedSlice")[0]
    of = counted.input[0] if counted is not None and counted.type == "Shape" else None
    if of != node.input[0] or any(len(size) != 1 or size[0] < 1 for size in sizes):
        return
    if _integers(first.inputs[1]) != [0] or _integers(first.inputs[2]) != [1]:
        return
    kept = np.array([0, *(size[0] for size in sizes)], np.int64)
    constant = graph.make_const(utils.make_name("shape"), kept).output[0]
    replace_node(graph, node, "Reshape", [node.input[0], constant])


_REWRITES: tuple[tuple[tuple[str, ...], int, Callable[[Graph, Node], None]], ...] = (
    (("Reshape",), 0, _dense),
    (("Reshape",), 0, _kept_batch),
    (("Mul",), 0, _gelu),
    (_ADD, LAYER_NORMALIZATION_OPSET, _layer_normalization),
    # Keras's nightly 3.16 writes no sum without beta. Sums come first, as each holds a product.
    (("Mul",), LAYER_NORMALIZATION_OPSET, _layer_normalization),
)


def fuse(graph: Graph, operations: list[Node]) -> list[Node]:
    """Make every rewrite of this file in a graph of tf2onnx, as one of its own rewriters."""
    for kinds, opset, rewrite in _REWRITES:
        if graph.opset >= opset:
            for node in [each for each in graph.get_nodes() if each.type in kinds]:
                rewrite(graph, node)
    return list(graph.get_nodes())
