"""Reads from an ONNX file what a server is told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays, unreadable
from keras_dropouts_export.formats.interface import Interface
from keras_dropouts_export.formats.onnx import onnx_runtime
from keras_dropouts_export.formats.onnx.descriptions import LABELS
from keras_dropouts_export.tracing.inference_function import TensorInfo

_BY_CLASS = ("", "_mean", "_std")  # endings of outputs that have a number for each class
_DTYPES = {"float": "float32", "double": "float64"}  # where onnxruntime's names are others


def interface(path: Path, files: Sequence[Path]) -> Interface:
    """Return the inputs, outputs and classes of an ONNX file, and what runs it.

    Raises:
        ValueError: if the file cannot be read or loaded.
    """
    session = onnx_runtime.session(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    inputs, outputs = (
        tuple(map(_tensor, x)) for x in (session.get_inputs(), session.get_outputs())
    )
    names = [each.name for each in outputs]

    def run(given: Arrays) -> Arrays:
        try:
            return dict(zip(names, session.run(names, given), strict=True))
        except Exception as error:  # onnxruntime's own errors share no public base class
            expected = "a file that onnxruntime runs"
            raise invalid("path", expected, str(path), f"It does not: {error}") from error

    text = session.get_modelmeta().custom_metadata_map.get(LABELS, "{}")
    there = tuple(each for each in files if each.exists())
    return Interface(inputs, outputs, there, run, _labels(text, outputs, path))


def _tensor(value: Any) -> TensorInfo:
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorInfo(value.name, shape, _DTYPES.get(dtype, dtype))


def _labels(text: str, outputs: Sequence[TensorInfo], path: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of classes by output, for those of shape (batch, classes)."""
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
