"""Tells when a training begins and when its epochs begin and end, in every `fit`."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.keras_internals.versions import private

# Of each list of callbacks, the first and the last number that a batch of this epoch ended with.
_ended: weakref.WeakKeyDictionary[Any, tuple[int, int]] = weakref.WeakKeyDictionary()


def watch_fits(
    train_begin: Callable[[Any, int | None], None], epoch_end: Callable[[Any, int], None]
) -> None:
    """Call functions at these moments of each training, before the callbacks of the user.

    Both get the model; `train_begin` gets the steps of an epoch as well, None where they are not
    known, and `epoch_end` the steps that the epoch had. A training is `fit`, or a loop of a user's
    own that calls a `keras.callbacks.CallbackList` as `fit` does. Relies on the methods of that
    class and on its parameter `steps`, since Keras 3.0.
    """

    def begin(callbacks: Any) -> None:
        _writers_first(callbacks)
        found = (getattr(callbacks, "params", None) or {}).get("steps")
        train_begin(callbacks.model, found if isinstance(found, int) and found > 0 else None)

    def end(callbacks: Any, *_: Any, **__: Any) -> None:
        epoch_end(callbacks.model, _steps(callbacks))

    def batch_end(callbacks: Any, batch: Any = None, *_: Any, **__: Any) -> None:
        if isinstance(batch, int):
            first, _last = _ended.get(callbacks, (batch, batch))
            _ended[callbacks] = first, batch

    _watch("on_train_begin", lambda callbacks, *_, **__: begin(callbacks))
    _watch("on_epoch_begin", lambda callbacks, *_, **__: _ended.pop(callbacks, None))
    _watch("on_train_batch_end", batch_end)
    _watch("on_epoch_end", end)


def _writers_first(callbacks: Any) -> None:
    """Move callbacks that write into the logs before those that read them.

    The list is the trainer's own, and not the one that a user gave to `fit`. Relies on its
    attribute `callbacks`, since Keras 3.0.
    """
    given = private(callbacks, "callbacks", "RateLogger")
    callbacks.callbacks = sorted(given, key=lambda each: not getattr(each, "writes_logs", False))


def _watch(name: str, tell: Callable[..., Any]) -> None:
    original = private(keras.callbacks.CallbackList, name, "watch_fits")

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "model", None) is not None:
            tell(self, *args, **kwargs)
        return original(self, *args, **kwargs)

    setattr(keras.callbacks.CallbackList, name, method)


def _steps(callbacks: Any) -> int:
    """Return how many batches an epoch had so far, 0 where none was told of.

    Not the steps that a layer or the optimizer counted: on TensorFlow both count one more where the
    data of unknown length has run out.
    """
    if callbacks not in _ended:
        return 0
    first, last = _ended[callbacks]
    # Of several batches that run as one, Keras 3.10 tells the first number, later ones the last.
    together = getattr(callbacks.model, "steps_per_execution", 1) or 1
    return last + (together if first == 0 else 1)
