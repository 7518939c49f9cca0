"""Context managers that change in which dtype layers and variables of Keras compute."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import keras

from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.keras_internals.versions import first_of, private
from keras_dropouts.types import Layer

_AutocastScope = first_of(
    "autocast_scope",
    "keras.src.backend.common.variables:AutocastScope",
    "keras.src.backend:AutocastScope",
)


def autocast_scope(dtype: str | None) -> AbstractContextManager[None]:
    """Return a block in which variables are read in `dtype`, or with None in their own.

    Relies on `AutocastScope`, since Keras 3.0; after 3.15 `keras.src.backend` has it no more.
    """
    return _AutocastScope(dtype)


def computing_in(layers: Sequence[Layer], dtype: str) -> AbstractContextManager[None]:
    """Let layers compute in `dtype` inside this block, in this thread alone.

    Relies on `Layer._dtype_policy`, since Keras 3.0.
    """
    for layer in layers:
        private(layer, "_dtype_policy", "computing_in")
    policy = keras.DTypePolicy(dtype)
    return overlaid_in_thread((layer, "_dtype_policy", policy) for layer in layers)
