"""Offers `export`, which goes by the name of a format or by the suffix of the path."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts_export import formats
from keras_dropouts_export.api.to_litert import export_litert
from keras_dropouts_export.api.to_onnx import export_onnx
from keras_dropouts_export.api.to_openvino import export_openvino
from keras_dropouts_export.api.to_saved_model import export_saved_model
from keras_dropouts_export.report import ExportReport


def export(
    model: keras.Model, path: str | os.PathLike[str], *, format: str | None = None, **options: Any
) -> ExportReport:
    """Export to the format that is named, or that the suffix of `path` asks for.

    Args:
        model: A built Keras model of any kind.
        path: Where the artifact goes to.
        format: The name of a format in `formats.TABLE`, or None to go by the suffix.
        options: As for the function of that format: `export_onnx` and the others.

    Raises:
        ValueError: if no such format is known.
    """
    row = formats.by_suffix(path) if format is None else formats.named(format)
    return _EXPORTS[row.name](model, path, **options)


_EXPORTS: dict[str, Callable[..., ExportReport]] = {
    "onnx": export_onnx,
    "saved_model": export_saved_model,
    "litert": export_litert,
    "openvino": export_openvino,
}
