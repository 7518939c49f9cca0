"""Freezes a traced function: its variables become constants, and the calls in it are inlined."""

from __future__ import annotations

from typing import Any

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_dropouts_export.errors import Stage
from keras_dropouts_export.tracing.grappler import without_large_feeds


def frozen(concrete: Any, model: str = "", **options: bool) -> Any:
    """Return a concrete function without variables.

    Args:
        concrete: The function.
        model: The name of the model that it is of, for the error.
        options: Those of TensorFlow's `convert_variables_to_constants_v2`.

    Raises:
        ExportError: if TensorFlow cannot do that.
    """
    doing = "TensorFlow cannot make constants of the model's variables"
    with Stage(doing, model), without_large_feeds():
        return convert_variables_to_constants_v2(concrete, **options)
