"""Keeps large weights out of a graph while it is made, and puts them in afterwards.

tf2onnx holds each weight of its graph about sixteen times over, and both a graph of TensorFlow and
an ONNX file end at 2 GiB. So the graph is made with the large weights as inputs, and they are put
in afterwards: into the file or, where it cannot hold them, into a second one beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np
import onnx

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts_export.formats.onnx.graph_edits import subgraphs
from keras_dropouts_export.formats.onnx.onnx_file import KEPT, described, raw

APART = 2**27  # bytes of weights from which on they stay out of the graph while it is made
LARGE = 1_800_000_000  # bytes of weights from which on they go to a second file
_ALIGNMENT = 4096  # onnxruntime maps the file into memory page by page

Value = Callable[[], np.ndarray]
Sources = dict[str, Value]


def large_weights(model: keras.Model) -> list[Any]:
    """Return the weights to be kept apart: none of a model that is small as a whole."""
    every = {id(each): each for layer in parts(model) for each in layer.variables}
    sizes = [(_bytes(each), each) for each in every.values()]
    if sum(size for size, _ in sizes) < APART:
        return []
    return [each for size, each in sizes if size >= KEPT]  # smaller ones stay in the graph


def _bytes(variable: Any) -> int:
    bits = 16 if variable.dtype == "bfloat16" else 8 * np.dtype(variable.dtype).itemsize
    return int(np.prod(variable.shape)) * bits // 8


def data_file(path: Path) -> Path:
    """Return the path of the file beside an ONNX file that holds the weights of a large model."""
    return path.with_name(f"{path.name}.data")


def put_in(
    model: onnx.ModelProto, path: Path, names: Sequence[str], weights: Sequence[Any]
) -> Sources:
    """Make constants of the inputs `names` of a model that goes to `path`: the values of `weights`.

    Returns what the file itself is to hold. What does not fit into it is written to a second one
    beside it.
    """
    sources = _moved(model, names, weights)
    if sum(source().nbytes for source in sources.values()) < LARGE:
        return sources
    with data_file(path).open("wb") as file:
        for name, source in sources.items():
            tensor = _external(file, name, source(), data_file(path).name)
            model.graph.initializer.append(tensor)
    return {}


def _moved(model: onnx.ModelProto, names: Sequence[str], weights: Sequence[Any]) -> Sources:
    """Make initializers of the inputs `names`, and return what each is computed from.

    A transpose, reshape or cast of a weight is done now rather than each time the model runs.
    """
    sources: Sources = {
        name: functools.partial(_value, each) for name, each in zip(names, weights, strict=True)
    }
    inputs = [each for each in model.graph.input if each.name not in sources]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    constants = {each.name: each for each in model.graph.initializer}
    left = []
    for node in model.graph.node:
        folded = _folded(node, sources, constants)
        if folded is None:
            left.append(node)
        else:
            sources[node.output[0]] = folded
    del model.graph.node[:]
    model.graph.node.extend(left)
    used = _used(model.graph)
    return {name: source for name, source in sources.items() if name in used}


def _value(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable.value))


def _used(graph: onnx.GraphProto) -> set[str]:
    found = {each.name for each in graph.output}
    for inner in subgraphs(graph):
        found |= {name for node in inner.node for name in node.input}
    return found


def _folded(
    node: onnx.NodeProto, sources: Sources, constants: dict[str, onnx.TensorProto]
) -> Value | None:
    """Return the value of a node that only moves a weight's numbers about, None for any other."""
    if not node.input or node.input[0] not in sources:
        return None
    source = sources[node.input[0]]
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    if any(name not in constants for name in node.input[1:]):
        return None
    shape = [onnx.numpy_helper.to_array(constants[name]) for name in node.input[1:]]
    if node.op_type == "Identity":
        return source
    if node.op_type == "Transpose":
        return lambda: source().transpose(attributes.get("perm"))
    if node.op_type == "Cast":
        dtype = onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])
        return lambda: source().astype(dtype)
    if node.op_type == "Reshape":
        return lambda: _reshaped(source(), shape[0].tolist())
    if node.op_type in ("Squeeze", "Unsqueeze") and len(shape) == 1:
        axes = tuple(shape[0].tolist())
        change = np.squeeze if node.op_type == "Squeeze" else np.expand_dims
        return lambda: change(source(), axes)
    return None


def _reshaped(array: np.ndarray, shape: list[int]) -> np.ndarray:
    return array.reshape([array.shape[i] if size == 0 else size for i, size in enumerate(shape)])


def _external(file: BinaryIO, name: str, array: np.ndarray, location: str) -> onnx.TensorProto:
    file.write(b"\0" * (-file.tell() % _ALIGNMENT))
    offset = file.tell()
    file.write(raw(array))
    tensor = described(name, array)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", array.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
