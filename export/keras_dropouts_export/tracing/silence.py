"""For the time of a trace: every noise source of a model off, and everything as it was after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_dropouts.surgery import noise
from keras_dropouts_export.tracing.preprocessing import plain_preprocessing

_lock = threading.RLock()


@contextmanager
def inference_mode(model: keras.Model) -> Iterator[None]:
    """Trace `model` inside this: no layer trains and no rate is above zero.

    `training` is forced to False in every call of a layer, which covers a training=True that is
    baked into a graph or written in a layer's `call`, and layers that train by default. Rates of
    Keras's own layers are set to zero, as recurrent cells draw their masks even at inference.
    Rates, losses and call flags are put back on leaving, whatever happens.
    """
    with _lock, untouched(model), ExitStack() as stack:
        for source in noise.noise_sources(model):
            if not source.ours:
                for attribute in noise.rate_attributes(source.layer):
                    stack.enter_context(_zero(source.layer, attribute))
        stack.enter_context(training_is_false())
        stack.enter_context(plain_preprocessing(model))
        yield


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Call `model` inside this, and its losses and call flags are afterwards as they were."""
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            stack.enter_context(_as_it_was(layer))
        yield


@contextmanager
def _as_it_was(layer: Any) -> Iterator[None]:
    called, losses = layer._called, list(layer._losses)
    try:
        yield
    finally:
        layer._called = called
        layer._losses.clear()  # tensors of a traced graph must not stay behind
        layer._losses.extend(losses)


@contextmanager
def _zero(layer: Any, attribute: str) -> Iterator[None]:
    thing, last = noise.holder(layer, attribute)
    if thing is None:
        yield
        return
    before = getattr(thing, last)
    setattr(thing, last, 0.0)
    try:
        yield
    finally:
        setattr(thing, last, before)


@contextmanager
def training_is_false(kind: Any = keras.layers.Layer) -> Iterator[None]:
    """Force `training=False` in every call of a layer of `kind`, in this thread."""
    original = keras.layers.Layer.__call__
    thread = threading.get_ident()

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Another thread may train its own model meanwhile.
        mine = threading.get_ident() == thread and isinstance(self, kind)
        if mine and self._call_has_training_arg:
            kwargs["training"] = False
        return original(self, *args, **kwargs)

    keras.layers.Layer.__call__ = call
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = original
