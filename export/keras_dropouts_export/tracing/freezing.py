"""Freezes a traced function: its variables become constants, and the calls in it are inlined."""

from __future__ import annotations

from typing import Any

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_dropouts_export.errors import Stage


def frozen(concrete: Any, model: str = "", **options: bool) -> Any:
    """Return a concrete function without variables.

    Args:
        concrete: The function.
        model: The name of the model that it is of, for the error.
        options: Those of TensorFlow's `convert_variables_to_constants_v2`.

    Raises:
        ExportError: if TensorFlow cannot do that.
    """
    with Stage("TensorFlow cannot make constants of the model's variables", model):
        return convert_variables_to_constants_v2(concrete, **options)
