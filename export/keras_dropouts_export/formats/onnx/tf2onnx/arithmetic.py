"""Writes arithmetic in ONNX that tf2onnx does not know, or gets wrong for some numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto
from tf2onnx import utils
from tf2onnx.onnx_opset.math import CumProd

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.tf2onnx.nodes import Handler, Nodes, Write, handler

_SIGN = np.iinfo(np.int32).min  # the bit pattern of float32's -0.0

# M. Giles, "Approximating the erfinv function" (2010): coefficients in w - 2.5 where
# w = -log(1 - x^2) is below 5, and in sqrt(w) - 3 elsewhere, from the highest power down.
_CENTRE = [2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087]
_CENTRE += [-0.00125372503, -0.00417768164, 0.246640727, 1.50140941]
_TAIL = [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773]
_TAIL += [-0.0076224613, 0.00943887047, 1.00167406, 2.83297682]


def _is_float(nodes: Nodes) -> bool:
    return np.issubdtype(nodes.dtype, np.floating)


def floor_mod(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The remainder with the sign of the divisor.

    tf2onnx takes x - x / y * y, where ONNX's integer division rounds to zero: wrong below 0.
    """
    if not _is_float(nodes):
        return nodes("Mod", *inputs)
    x, y = inputs
    zero = nodes.constant(0.0)
    rest = nodes("Mod", x, y, fmod=1)
    other_sign = nodes("Less", nodes("Mul", nodes("Sign", rest), nodes("Sign", y)), zero)
    return nodes("Where", other_sign, nodes("Add", rest, y), rest)


def truncate_mod(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The remainder with the sign of the dividend, as C's fmod."""
    return nodes("Mod", *inputs, fmod=1)


def floor_div(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The quotient rounded down. tf2onnx rounds that of integers to zero, as ONNX's Div does."""
    x, y = inputs
    if _is_float(nodes):
        return nodes("Floor", nodes("Div", x, y))
    return nodes("Div", nodes("Sub", x, nodes("Mod", x, y)), y)


def erfinv(nodes: Nodes, inputs: Sequence[str]) -> str:
    """x times a polynomial, to the precision of float32 (Giles, 2010)."""
    x, one = inputs[0], nodes.constant(1.0)
    product = nodes("Mul", nodes("Sub", one, x), nodes("Add", one, x))
    w = nodes("Neg", nodes("Log", product))
    central = nodes("Less", w, nodes.constant(5.0))
    near = _polynomial(nodes, nodes("Sub", w, nodes.constant(2.5)), _CENTRE)
    far = nodes("Sub", nodes("Sqrt", nodes("Abs", w)), nodes.constant(3.0))
    return nodes("Mul", x, nodes("Where", central, near, _polynomial(nodes, far, _TAIL)))


def _polynomial(nodes: Nodes, x: str, coefficients: Sequence[float]) -> str:
    result = nodes.constant(coefficients[0])
    for each in coefficients[1:]:
        result = nodes("Add", nodes("Mul", result, x), nodes.constant(each))
    return result


def cross(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The cross product of two vectors along the last axis."""
    order, other = nodes.constant([1, 2, 0], np.int64), nodes.constant([2, 0, 1], np.int64)

    def product(first: str, second: str) -> str:
        return nodes(
            "Mul",
            nodes("Gather", inputs[0], first, axis=-1),
            nodes("Gather", inputs[1], second, axis=-1),
        )

    return nodes("Sub", product(order, other), product(other, order))


def _bitcast() -> Handler:
    """Bits of one dtype read as another of its size: integers, and the sign of a float.

    ONNX has no such operation before opset 26. Keras reads the sign bit (`signbit`, and `argmax`,
    `one_hot` of it) as `bitcast(x) & INT_MIN`, of which the float says as much.
    """

    def integers(nodes: Nodes, inputs: Sequence[str]) -> str:
        return nodes("Cast", inputs[0], to=nodes.output_dtype)

    write_integers = handler(integers)

    def handle(graph, node, name, arguments):  # type: ignore[no-untyped-def]
        dtypes = [graph.get_dtype(each) for each in (node.input[0], node.output[0])]
        if not any(each in _FLOATS for each in dtypes):
            write_integers(graph, node, name, arguments)
            return
        consumers = graph.find_output_consumers(node.output[0])
        if dtypes != [TensorProto.FLOAT, TensorProto.INT32] or not all(map(_takes_sign, consumers)):
            raise ExportError(
                f"ONNX cannot read the bits of one dtype as another, as {name!r} does. Export the "
                f"model with `export_saved_model`, or replace the layer."
            )
        nodes = Nodes(graph, node, name)
        for consumer in consumers:
            consumer.type = "Identity"
            graph.replace_inputs(consumer, [_sign_bit(nodes, node.input[0])])
        graph.remove_node(node.name)

    return handle


def cumprod(graph, node, name, arguments):  # type: ignore[no-untyped-def]
    """The product of all before. tf2onnx's loop takes no axis that counts from the end."""
    axis = node.inputs[1]
    if axis.is_const() and axis.get_tensor_value() < 0:
        counted = axis.get_tensor_value() + len(graph.get_shape(node.input[0]))
        made = graph.make_const(utils.make_name(f"{name}_axis"), np.array(counted, np.int32))
        graph.replace_inputs(node, [node.input[0], made.output[0]])
    CumProd.version_10(graph, node)


_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def _takes_sign(consumer) -> bool:  # type: ignore[no-untyped-def]
    constants = [each for each in consumer.inputs if each.is_const()]
    return consumer.type == "BitwiseAnd" and any(
        np.all(each.get_tensor_value(as_list=False) == _SIGN) for each in constants
    )


def _sign_bit(nodes: Nodes, x: str) -> str:
    """INT_MIN where a float is below 0 or is -0.0, else 0."""
    zero = nodes.constant(0.0)
    minus_zero = nodes("Less", nodes("Div", nodes.constant(1.0), x), zero)
    negative = nodes("Or", nodes("Less", x, zero), minus_zero)
    bits = nodes.constant(_SIGN, np.int32), nodes.constant(0, np.int32)
    return nodes("Where", negative, *bits)


WRITERS: dict[str, Write] = {
    "Cross": cross,
    "Erfinv": erfinv,
    "FloorDiv": floor_div,
    "FloorMod": floor_mod,
    "TruncateMod": truncate_mod,
}
HANDLERS: dict[str, Handler] = {"Bitcast": _bitcast(), "Cumprod": cumprod}
