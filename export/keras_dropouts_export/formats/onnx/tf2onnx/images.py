"""Writes resizes and colour conversions in ONNX that tf2onnx does not know, or gets wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.tf2onnx.nodes import Nodes, Write


def _resize(operation: str) -> Write:
    """A resize as one MatMul an axis, its weights read off TensorFlow's own operation.

    Cubic, antialiased and Lanczos resizes sum a number of pixels with weights that depend on the
    two sizes only. ONNX's cubic has other weights at the border and its antialiasing other ones
    everywhere.
    """

    def write(nodes: Nodes, inputs: Sequence[str]) -> str:
        before = nodes.graph.get_shape(inputs[0])[1:3]
        sizes = nodes.graph.get_node_by_output(inputs[1])
        if -1 in before or not sizes.is_const():
            raise ExportError(
                f"The resize {nodes.name!r} needs images of a fixed size in ONNX. Fix it with "
                f"`input_signature`, or resize with interpolation 'bilinear' or 'nearest'."
            )
        after = sizes.get_tensor_value()
        x = nodes("Transpose", inputs[0], perm=[0, 3, 1, 2])
        for axis in range(2):
            weights = _weights(_along(nodes, operation), before[axis], after[axis])
            if axis == 0:
                x = nodes("MatMul", nodes.constant(weights), x)
            else:
                x = nodes("MatMul", x, nodes.constant(weights.T))
        return nodes("Transpose", x, perm=[0, 2, 3, 1])

    return write


def _along(nodes: Nodes, operation: str) -> Callable[[Any, int], Any]:
    """Return a function that resizes columns as `operation` resizes one axis."""
    if operation != "ScaleAndTranslate":
        flags = {
            flag: bool(nodes.attribute(flag).i)
            for flag in ("align_corners", "half_pixel_centers")
            if nodes.attribute(flag) is not None
        }
        raw = getattr(tf.raw_ops, operation)
        return lambda columns, size: raw(images=columns, size=[size, 1], **flags)
    # Scale and translation are worked out from the sizes, by nodes that are not folded yet.
    return lambda columns, size: tf.raw_ops.ScaleAndTranslate(
        images=columns,
        size=[size, 1],
        scale=[size / columns.shape[1], 1.0],
        translation=[0.0, 0.0],
        kernel_type=nodes.attribute("kernel_type").s.decode(),
        antialias=bool(nodes.attribute("antialias").i),
    )


def _weights(apply: Callable[[Any, int], Any], before: int, after: int) -> np.ndarray:
    """Return the weights (after, before) of a resize, which is linear, from what it does to 1s."""

    def run() -> np.ndarray:
        columns = tf.reshape(tf.eye(before), (before, before, 1, 1))
        return apply(columns, after).numpy()[:, :, 0, 0].T

    # tf2onnx converts inside a graph of its own, where nothing runs; another thread is in none.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def _channels(nodes: Nodes, x: str) -> list[str]:
    indices = (nodes.constant([each], np.int64) for each in range(3))
    return [nodes("Gather", x, each, axis=-1) for each in indices]


def rgb_to_hsv(nodes: Nodes, inputs: Sequence[str]) -> str:
    """Hue, saturation and value of red, green and blue."""
    red, green, blue = _channels(nodes, inputs[0])
    zero, one = nodes.constant(0.0), nodes.constant(1.0)
    value = nodes("Max", red, green, blue)
    span = nodes("Sub", value, nodes("Min", red, green, blue))
    saturation = _ratio(nodes, span, value)

    def turn(first: str, second: str, offset: float) -> str:
        sixth = nodes(
            "Mul", _ratio(nodes, nodes("Sub", first, second), span), nodes.constant(1 / 6)
        )
        return nodes("Add", sixth, nodes.constant(offset))

    rest = nodes(
        "Where", nodes("Equal", green, value), turn(blue, red, 1 / 3), turn(red, green, 2 / 3)
    )
    hue = nodes("Where", nodes("Equal", red, value), turn(green, blue, 0.0), rest)
    hue = nodes("Where", nodes("Greater", span, zero), hue, zero)
    hue = nodes("Where", nodes("Less", hue, zero), nodes("Add", hue, one), hue)
    return nodes("Concat", hue, saturation, value, axis=-1)


def _ratio(nodes: Nodes, x: str, y: str) -> str:
    """x / y where y is above 0, else 0."""
    zero = nodes.constant(0.0)
    above = nodes("Greater", y, zero)
    divisor = nodes("Where", above, y, nodes.constant(1.0))
    return nodes("Where", above, nodes("Div", x, divisor), zero)


def hsv_to_rgb(nodes: Nodes, inputs: Sequence[str]) -> str:
    """Red, green and blue of hue, saturation and value."""
    hue, saturation, value = _channels(nodes, inputs[0])
    zero, one, two = (nodes.constant(each) for each in (0.0, 1.0, 2.0))
    sixths = nodes("Mul", hue, nodes.constant(6.0))

    def distance(centre: float) -> str:
        return nodes("Abs", nodes("Sub", sixths, nodes.constant(centre)))

    shares = [nodes("Sub", distance(3.0), one)]
    shares += [nodes("Sub", two, distance(centre)) for centre in (2.0, 4.0)]
    rest = nodes("Sub", one, saturation)
    made = []
    for share in shares:
        share = nodes("Min", nodes("Max", share, zero), one)
        made.append(nodes("Mul", nodes("Add", nodes("Mul", share, saturation), rest), value))
    return nodes("Concat", *made, axis=-1)


WRITERS: dict[str, Write] = {
    "HSVToRGB": hsv_to_rgb,
    "RGBToHSV": rgb_to_hsv,
    **{each: _resize(each) for each in ("ResizeArea", "ResizeBicubic", "ScaleAndTranslate")},
}
