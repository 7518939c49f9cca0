"""For the time of a trace: every noise source of a model off, and everything as it was after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_dropouts.keras_internals import patching as calls
from keras_dropouts.surgery import sources as noise
from keras_dropouts_export.tracing.preprocessing import plain_preprocessing


@contextmanager
def inference_mode(model: keras.Model) -> Iterator[None]:
    """Trace `model` inside this: no layer trains and no rate is above zero.

    `training` is forced to False in every call of a layer, which covers a training=True that is
    baked into a graph or written in a layer's `call`, and layers that train by default. Rates of
    Keras's own layers are set to zero, as recurrent cells draw their masks even at inference.
    Rates, losses and call flags are put back on leaving, whatever happens.
    """
    with calls.LOCK, calls.untouched(model), ExitStack() as stack:
        for source in noise.noise_sources(model):
            if not source.ours:
                for attribute in noise.rate_attributes(source.layer):
                    stack.enter_context(_zero(source.layer, attribute))
        stack.enter_context(training_is_false())
        stack.enter_context(plain_preprocessing(model))
        yield


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

    def changed(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self, kind) and self._call_has_training_arg:
                kwargs["training"] = False
            return original(self, *args, **kwargs)

        return call

    with calls.replaced_here(keras.layers.Layer, "__call__", changed):
        yield
