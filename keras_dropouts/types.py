"""The names that annotations in this package give to values of Keras, defined here only.

Keras has no type for "a tensor of the backend that runs, or a symbolic one", and ships no types
for its classes. So these names are `Any` to a type checker, and say to a reader what is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tensor = Any
"""A tensor of the backend that runs, or a `keras.KerasTensor`."""

Layer = Any
"""A `keras.layers.Layer` or a `keras.Model`."""

Schedule = Callable[[Any], Any]
"""A serializable function of the training step that returns a rate."""
