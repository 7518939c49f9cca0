"""Context managers that change in which dtype layers and variables of Keras compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import keras

from keras_dropouts.keras_internals.versions import first_of, private
from keras_dropouts.types import Layer


def autocast_scope(dtype: str | None) -> AbstractContextManager[None]:
    """Return a block in which variables are read in `dtype`, or with None in their own.

    Relies on `AutocastScope`, since Keras 3.0; after 3.15 `keras.src.backend` has it no more.
    """
    scope = first_of(
        "autocast_scope",
        "keras.src.backend.common.variables:AutocastScope",
        "keras.src.backend:AutocastScope",
    )
    return scope(dtype)


@contextmanager
def computing_in(layers: Sequence[Layer], dtype: str) -> Iterator[None]:
    """Let layers compute in `dtype` inside this block.

    Relies on `Layer._dtype_policy`, since Keras 3.0.
    """
    before = [private(layer, "_dtype_policy", "computing_in") for layer in layers]
    try:
        for layer in layers:
            layer._dtype_policy = keras.DTypePolicy(dtype)
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer._dtype_policy = policy
