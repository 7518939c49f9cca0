"""Reads from an ONNX file what a server is told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays, unreadable
from keras_dropouts_export.formats.interface import Interface
from keras_dropouts_export.formats.onnx import onnx_audit, onnx_runtime
from keras_dropouts_export.formats.onnx.descriptions import LABELS
from keras_dropouts_export.tracing.inference_function import TensorInfo

_BY_CLASS = ("", "_mean", "_std")  # endings of outputs that have a number for each class


def interface(path: Path, files: Sequence[Path]) -> Interface:
    """Return the inputs, outputs and classes of an ONNX file, and what runs it.

    Raises:
        ValueError: if the file cannot be read or loaded.
    """
    model = onnx_audit.load(path)
    weights = {each.name for each in model.graph.initializer}
    inputs = tuple(_tensor(each) for each in model.graph.input if each.name not in weights)
    outputs = tuple(_tensor(each) for each in model.graph.output)
    session = onnx_runtime.session(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    names = [each.name for each in outputs]

    def run(given: Arrays) -> Arrays:
        try:
            return dict(zip(names, session.run(names, given), strict=True))
        except Exception as error:  # onnxruntime's own errors share no public base class
            expected = "a file that onnxruntime runs"
            raise invalid("path", expected, str(path), f"It does not: {error}") from error

    there = tuple(each for each in files if each.exists())
    return Interface(inputs, outputs, there, run, _labels(model, outputs, path))


def _tensor(value: onnx.ValueInfoProto) -> TensorInfo:
    kind = value.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim)
    return TensorInfo(value.name, shape, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name)


def _labels(
    model: onnx.ModelProto, outputs: Sequence[TensorInfo], path: Path
) -> dict[str, tuple[str, ...]]:
    """Return the names of classes by output, for those of shape (batch, classes)."""
    text = {each.key: each.value for each in model.metadata_props}.get(LABELS, "{}")
    try:
        given = {name: tuple(map(str, labels)) for name, labels in json.loads(text).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise unreadable(path, "list of labels", "it is damaged.") from error
    by_name = {f"{name}{end}": labels for name, labels in given.items() for end in _BY_CLASS}
    return {
        each.name: by_name[each.name]
        for each in outputs
        if each.name in by_name and each.shape[1:] == (len(by_name[each.name]),)
    }
