"""Writes the Fourier transforms of TensorFlow in ONNX.

A complex tensor is a real one here, with a last dimension of (real part, imaginary part). tf2onnx
knows RFFT only where its absolute value is taken, and none of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.tf2onnx.nodes import Nodes, Write


def pair(nodes: Nodes, inputs: Sequence[str]) -> str:
    """A complex tensor from its two parts."""
    last = nodes.constant([-1], np.int64)
    return nodes("Concat", *(nodes("Unsqueeze", each, last) for each in inputs), axis=-1)


def _part(index: int) -> Write:
    def write(nodes: Nodes, inputs: Sequence[str]) -> str:
        return nodes("Gather", inputs[0], nodes.constant(index, np.int64), axis=-1)

    return write


_real, _imaginary = _part(0), _part(1)


def absolute(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The absolute value of a complex number."""
    last = nodes.constant([-1], np.int64)
    square = nodes("Mul", inputs[0], inputs[0])
    return nodes("Sqrt", nodes("ReduceSum", square, last, keepdims=0))


def rfft(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The transform of real numbers, as one MatMul a part."""
    size = _length(nodes, inputs[1])
    angles = _angles(size, size, size // 2 + 1)
    x = _cropped(nodes, inputs[0], size, axis=nodes.rank - 1)
    cosine, sine = (nodes.constant(part) for part in (np.cos(angles), -np.sin(angles)))
    return pair(nodes, [nodes("MatMul", x, cosine), nodes("MatMul", x, sine)])


def irfft(nodes: Nodes, inputs: Sequence[str]) -> str:
    """The real numbers of a transform."""
    size = _length(nodes, inputs[1])
    half = size // 2 + 1
    x = _cropped(nodes, inputs[0], half, axis=nodes.rank - 1)
    angles = _angles(size, half, size)
    weight = np.full((half, 1), 2.0 / size)
    weight[0] = 1.0 / size
    if size % 2 == 0:
        weight[-1] = 1.0 / size
    real = nodes("MatMul", _real(nodes, [x]), nodes.constant(weight * np.cos(angles)))
    imaginary = nodes("MatMul", _imaginary(nodes, [x]), nodes.constant(weight * np.sin(angles)))
    return nodes("Sub", real, imaginary)


def _angles(size: int, rows: int, columns: int) -> np.ndarray:
    turns = np.outer(np.arange(rows), np.arange(columns)) % size
    return 2 * np.pi * turns / size


def _length(nodes: Nodes, given: str) -> int:
    node = nodes.graph.get_node_by_output(given)
    if not node.is_const():
        raise ExportError(
            f"The Fourier transform {nodes.name!r} needs a fixed length in ONNX. Fix it with "
            f"`input_signature`, or give the layer a transform length."
        )
    return int(node.get_tensor_value()[0])


def _cropped(nodes: Nodes, x: str, size: int, axis: int) -> str:
    ends = (nodes.constant([each], np.int64) for each in (0, size, axis))
    return nodes("Slice", x, *ends)


def _fourier(axes: int, inverse: bool) -> Write:
    """The transform of complex numbers along the last axes."""

    def write(nodes: Nodes, inputs: Sequence[str]) -> str:
        x, shape = inputs[0], nodes.graph.get_shape(inputs[0])
        for axis in range(nodes.rank - 1, nodes.rank - 1 - axes, -1):
            if nodes.opset >= 17:
                x = nodes("DFT", x, axis=axis, inverse=int(inverse))
            else:
                x = _by_matrix(nodes, x, axis, shape[axis], inverse)
        return x

    return write


def _by_matrix(nodes: Nodes, x: str, axis: int, size: int, inverse: bool) -> str:
    """ONNX has no DFT before opset 17."""
    if size < 0:
        raise ExportError(
            f"The Fourier transform {nodes.name!r} of a dynamic length needs ONNX opset 17. Export "
            f"with `opset=17` or above, or fix the length with `input_signature`."
        )
    order = list(range(nodes.rank))
    order[axis], order[-1] = order[-1], order[axis]
    angles = _angles(size, size, size) * (-1 if inverse else 1)
    scale = 1 / size if inverse else 1.0
    cosine, sine = (nodes.constant(scale * part) for part in (np.cos(angles), np.sin(angles)))
    real, imaginary = (nodes("Transpose", part(nodes, [x]), perm=order) for part in _PARTS)
    made = [
        nodes("Add", nodes("MatMul", real, cosine), nodes("MatMul", imaginary, sine)),
        nodes("Sub", nodes("MatMul", imaginary, cosine), nodes("MatMul", real, sine)),
    ]
    return pair(nodes, [nodes("Transpose", each, perm=order) for each in made])


_PARTS = (_real, _imaginary)

WRITERS: dict[str, Write] = {
    "Complex": pair,
    "ComplexAbs": absolute,
    "FFT": _fourier(1, False),
    "FFT2D": _fourier(2, False),
    "IFFT": _fourier(1, True),
    "IFFT2D": _fourier(2, True),
    "IRFFT": irfft,
    "Imag": _imaginary,
    "RFFT": rfft,
    "Real": _real,
}
