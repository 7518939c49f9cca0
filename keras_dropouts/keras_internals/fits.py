"""Tells when a training begins and when its epochs begin and end, in every `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.keras_internals.versions import private


def watch_fits(
    train_begin: Callable[[Any, int | None], None],
    epoch_begin: Callable[[Any], None],
    epoch_end: Callable[[Any], None],
) -> None:
    """Call functions at these moments of each training, before the callbacks of the user.

    All get the model; `train_begin` gets the steps of an epoch as well, None where they are not
    known. A training is `fit`, or a loop of a user's own that calls a
    `keras.callbacks.CallbackList` as `fit` does. Relies on the methods of that class and on its
    parameter `steps`, since Keras 3.0.
    """

    def watched(name: str, tell: Callable[[Any], None]) -> None:
        original = private(keras.callbacks.CallbackList, name, "watch_fits")

        @functools.wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(self, "model", None) is not None:
                tell(self)
            return original(self, *args, **kwargs)

        setattr(keras.callbacks.CallbackList, name, method)

    def steps(callbacks: Any) -> int | None:
        found = (getattr(callbacks, "params", None) or {}).get("steps")
        return found if isinstance(found, int) and found > 0 else None

    watched("on_train_begin", lambda each: train_begin(each.model, steps(each)))
    watched("on_epoch_begin", lambda each: epoch_begin(each.model))
    watched("on_epoch_end", lambda each: epoch_end(each.model))
