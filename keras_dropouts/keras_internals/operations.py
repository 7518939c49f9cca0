"""The class of all operations of Keras, whose `__call__` every layer and function goes through."""

from __future__ import annotations

from typing import Any

from keras_dropouts.keras_internals.versions import first_of

# `keras.Operation` is the same class under a public name, but not in every version of Keras.
Operation: Any = first_of("Operation", "keras.src.ops.operation:Operation")
