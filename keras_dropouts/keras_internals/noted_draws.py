"""Notes in which layers a thread draws random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.keras_internals.random_functions import BACKEND_RANDOM, DRAWS

Calls = list[tuple[Any, Any]]


@contextmanager
def noted_draws(*methods: tuple[type, str]) -> Iterator[list[Calls]]:
    """Yield a list to which each draw of this thread adds the calls of layers that it is in.

    A call is a layer and the argument `training` that it was given by name, else None; the
    outermost comes first. A draw is a call of a function of Keras's backend that draws, or of one
    of `methods`, each a class and a name.
    """
    found: list[Calls] = []
    inside: Calls = []

    def entered(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            inside.append((self, kwargs.get("training")))
            try:
                return original(self, *args, **kwargs)
            finally:
                inside.pop()

        return call

    def noted(original: Any) -> Any:
        def draw(*args: Any, **kwargs: Any) -> Any:
            found.append(inside.copy())
            return original(*args, **kwargs)

        return draw

    with ExitStack() as stack:
        stack.enter_context(replaced_in_thread(keras.layers.Layer, "__call__", entered))
        for owner, name in [*((BACKEND_RANDOM, name) for name in DRAWS), *methods]:
            stack.enter_context(replaced_in_thread(owner, name, noted))
        yield found
