"""Loads a SavedModel again and runs one of its signatures on arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.formats.format import Arrays, Run, check_names, unreadable
from keras_dropouts_export.tracing.inference_function import InferenceFunction

PATTERN = frozenset("[]")  # a path with these is never found again


def load(path: Path) -> Any:
    """Return the object in a SavedModel.

    Raises:
        ValueError: if it cannot be loaded.
    """
    if set(str(path)) & PATTERN:
        reason = "TensorFlow takes [ and ] in a path for a pattern; choose a path without them"
        raise unreadable(path, "SavedModel", reason)
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises many kinds for a damaged one: IndexError too
        raise unreadable(path, "SavedModel", _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what an error says, with its kind where it says a bare key or number."""
    said = str(error).strip()
    plain = isinstance(error, (OSError, ValueError, tf.errors.OpError))
    return said if said and plain else f"{type(error).__name__}: {said}"


def signature_run(path: Path, function: InferenceFunction) -> Run:
    """Return what runs the signature of a SavedModel that `function` belongs to.

    Raises:
        ValueError: if it cannot be loaded, or has other inputs or outputs than `function`.
    """
    loaded = load(path)
    key = function.signature_key
    if key not in loaded.signatures:
        raise invalid(
            "path",
            f"a SavedModel with the signature `{key}`",
            str(path),
            f"It has {sorted(loaded.signatures)}.",
        )
    signature = loaded.signatures[key]
    specs = signature.structured_input_signature[1]
    names = dict(
        zip(function.signature.names, [x.name for x in function.signature.specs], strict=True)
    )
    back = {plain: name for name, plain in names.items()}
    found = [back.get(plain, plain) for plain in specs]
    check_names(path, function, found, list(signature.structured_outputs))

    def run(inputs: Arrays) -> Arrays:
        _ = loaded  # its variables live as long as it does
        tensors = {
            names[key]: tf.constant(value, specs[names[key]].dtype) for key, value in inputs.items()
        }
        try:
            return {key: value.numpy() for key, value in signature(**tensors).items()}
        except tf.errors.OpError as error:
            reason = f"It does not: {said_by(error)}"
            raise invalid("path", "a SavedModel that TensorFlow runs", str(path), reason) from error

    return run
