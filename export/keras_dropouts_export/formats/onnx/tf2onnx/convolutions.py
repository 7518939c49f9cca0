"""Corrects attributes of convolutions that tf2onnx converts wrongly."""

from __future__ import annotations

from typing import Any

from tf2onnx.onnx_opset.nn import ConvOp, ConvTranspose

from keras_dropouts_export.formats.onnx.tf2onnx.nodes import Handler


def _conv_3d(graph: Any, node: Any, name: str, _: Any) -> None:
    """tf2onnx looks for groups where the data format is NHWC, which that of volumes is not."""
    last = node.get_attr_value("data_format", b"NDHWC").decode().endswith("C")
    channels = graph.get_shape(node.input[0])[-1 if last else 1]
    kernel_channels = graph.get_shape(node.input[1])[-2]
    ConvOp.any_version(graph.opset, graph, node)
    if channels > 0 and kernel_channels > 0:
        node.set_attr("group", channels // kernel_channels)


def _conv_transpose(graph: Any, node: Any, name: str, _: Any) -> None:
    """tf2onnx writes negative pads where the output is larger than the kernel reaches.

    ONNX refuses them; TensorFlow's extra rows are at the end, as ONNX's `output_padding` is.
    """
    ConvTranspose.version_1(graph, node)
    pads = node.get_attr("pads")
    if pads is None or min(pads.ints) >= 0:
        return
    half = len(pads.ints) // 2
    totals = [first + last for first, last in zip(pads.ints[:half], pads.ints[half:], strict=True)]
    fitting = [max(each, 0) for each in pads.ints]
    for axis, total in enumerate(totals):
        if total < 0:
            fitting[axis] = fitting[axis + half] = 0
    node.set_attr("pads", fitting)
    node.set_attr("output_padding", [max(-total, 0) for total in totals])


HANDLERS: dict[str, Handler] = {
    "Conv2DBackpropInput": _conv_transpose,
    "Conv3D": _conv_3d,
    "Conv3DBackpropInputV2": _conv_transpose,
}
