"""Writes a traced function as a .tflite file, with TensorFlow's converter and a SavedModel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Exported
from keras_dropouts_export.formats.litert.litert_function import litert_function
from keras_dropouts_export.formats.saved_model.saved_model_writer import (
    temporary_folder,
    write_saved_model,
)
from keras_dropouts_export.native_messages import held_back
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_SHOWN = 8  # operations that an error lists
_DTYPES = {"f": "float", "i": "int", "ui": "uint", "bf": "bfloat"}
_TENSOR = re.compile(r"\(tensor<((?:[?\d]+x)*)(f|bf|i|ui)(\d+)>")


def write_litert(exported: Exported, path: Path) -> InferenceFunction:
    """Write the .tflite file of an export, and return the function in the form it has there.

    It is made from a SavedModel rather than from the traced function itself: only so does the file
    have a signature with the names of the inputs and outputs.

    Raises:
        ExportError: naming the operations that LiteRT does not have.
    """
    function = litert_function(exported.plain)
    with temporary_folder(path.parent) as folder, held_back(shown_on_error=False):
        write_saved_model(Exported(function), Path(folder))
        data = _converted(folder, function.signature_key)
    path.write_bytes(data)
    return function


def _converted(folder: str, key: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[key])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter's own errors share no public base class
        raise ExportError(_explained(error)) from error


def _explained(error: Exception) -> str:
    """Return one sentence for an error of the converter."""
    listed = list(dict.fromkeys(_operations(getattr(error, "errors", []))))
    if listed:
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        return (
            f"The model uses operations that LiteRT's builtin operations do not cover: "
            f"{', '.join(listed[:_SHOWN])}{more}. Export it with `export_onnx` or "
            f"`export_saved_model`, or replace the layer."
        )
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"TensorFlow's converter to LiteRT failed: {said}"


def _operations(errors: Any) -> Iterator[str]:
    """Yield "MatMul of float64[?, 6] in 'dense/MatMul'" for each operation with an error."""
    for each in errors:
        if not each.operator.name:
            continue
        kind = each.operator.name.rpartition(".")[2]
        tensor = _TENSOR.search(each.error_message)
        of = ""
        if tensor:
            sizes, family, bits = tensor.groups()
            dtype = "bool" if (family, bits) == ("i", "1") else f"{_DTYPES[family]}{bits}"
            of = f" of {dtype}[{', '.join(sizes.rstrip('x').split('x')) if sizes else ''}]"
        where = [call.name.partition("@")[0] for call in each.location.call]
        yield f"{kind}{of}" + (f" in {where[0]!r}" if where else "")
