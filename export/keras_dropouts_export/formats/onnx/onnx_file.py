"""Writes an ONNX file weight by weight, and reads one without its large weights.

onnx's own functions hold a file two or three times in memory. A file is a message of Protocol
Buffers: fields, each a tag and a value, some of which are messages themselves. So a weight can be
written, or passed over, as bytes.

Reference: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from keras_dropouts_export.formats.format import unreadable

KEPT = 65_536  # bytes of a tensor below which it is read
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # numbers of the fields of a model, a graph, a tensor
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how the value of a field is written

Buffer = Any  # bytes, or a file mapped into memory


def write(
    model: onnx.ModelProto, path: Path, weights: Mapping[str, Callable[[], np.ndarray]]
) -> None:
    """Write a model whose graph gets initializers by their names; each is computed twice."""
    heads = {name: _head(name, value()) for name, value in weights.items()}
    graph = model.graph.SerializeToString()
    rest = onnx.ModelProto()
    rest.MergeFrom(model)
    rest.ClearField("graph")
    size = len(graph) + sum(len(head.before) + head.size for head in heads.values())
    with path.open("wb") as file:
        file.write(rest.SerializeToString() + _tag(_GRAPH, size) + graph)
        for name, value in weights.items():
            file.write(heads[name].before)
            file.write(raw(value()))


def raw(array: np.ndarray) -> Any:
    """Return the bytes of an array in the order of its rows."""
    return np.ascontiguousarray(array).reshape(-1).view("uint8").data


def described(name: str, array: np.ndarray) -> onnx.TensorProto:
    """Return a tensor without its numbers."""
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.TensorProto(name=name, dims=array.shape, data_type=dtype)


def read(path: Path, weights: bool = True) -> onnx.ModelProto:
    """Return the model in an ONNX file, without external data.

    weights: whether with the numbers of large initializers.

    Raises:
        ValueError: if the file is not an ONNX model, or is cut off.
    """
    try:
        if weights:
            model = onnx.load(str(path), load_external_data=False)
        else:
            model = onnx.ModelProto.FromString(_without_weights(path))
    except DecodeError as error:
        raise unreadable(path, "ONNX file", error) from error
    if not model.opset_import or not model.graph.output:
        raise unreadable(path, "ONNX file", "it holds no graph")
    return model


class _Head(NamedTuple):
    before: bytes  # what is written before the numbers
    size: int  # of the numbers


def _head(name: str, array: np.ndarray) -> _Head:
    tensor = described(name, array).SerializeToString() + _tag(_RAW_DATA, array.nbytes)
    return _Head(_tag(_INITIALIZER, len(tensor) + array.nbytes) + tensor, array.nbytes)


def _tag(field: int, size: int) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(size)


def _varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    groups = []
    while value >= 128:
        groups.append(value % 128 | 128)
        value //= 128
    return bytes([*groups, value])


def _without_weights(path: Path) -> bytes:
    if not path.stat().st_size:  # which cannot be mapped
        return b""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _changed(data, 0, len(data), _GRAPH, _light_graph)


def _light_graph(data: Buffer, start: int, end: int) -> bytes:
    return _changed(data, start, end, _INITIALIZER, _light_tensor)


def _light_tensor(data: Buffer, start: int, end: int) -> bytes:
    return _changed(data, start, end, _RAW_DATA, _light_numbers)


def _light_numbers(data: Buffer, start: int, end: int) -> bytes:
    return data[start:end] if end - start < KEPT else b""


def _changed(
    data: Buffer, start: int, end: int, field: int, change: Callable[[Buffer, int, int], bytes]
) -> bytes:
    """Return a message in which the values of one field are changed."""
    parts = []
    for number, first, value, last in _fields(data, start, end):
        if number == field:
            changed = change(data, value, last)
            parts += [_tag(field, len(changed)), changed]
        else:
            parts.append(data[first:last])
    return b"".join(parts)


def _fields(data: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number of each field, and where it starts, its value starts, and it ends."""
    while start < end:
        tag, value = _number(data, start, end)
        kind = tag & 7
        if kind == _VARINT:
            last = _number(data, value, end)[1]
        elif kind == _BYTES:
            size, value = _number(data, value, end)
            last = value + size
        elif kind in (_FIXED64, _FIXED32):
            last = value + (8 if kind == _FIXED64 else 4)
        else:
            raise DecodeError(f"Error parsing message: a field of kind {kind} at byte {start}")
        if last > end:
            raise DecodeError(f"Error parsing message: it ends within the field at byte {start}")
        yield tag >> 3, start, value, last
        start = last


def _number(data: Buffer, start: int, end: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, and where it ends."""
    value = 0
    for i in range(10):
        if start + i >= end:
            break
        group = data[start + i]
        value |= (group & 127) << 7 * i
        if group < 128:
            return value, start + i + 1
    raise DecodeError(f"Error parsing message: no number at byte {start}")
