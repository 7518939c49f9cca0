"""Context managers under which a model runs at inference: no noise, no training, state restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import takes_training
from keras_dropouts.keras_internals.patching import replaced_in_thread, restored_after_calls
from keras_dropouts.keras_internals.rate_attributes import gates_at_once
from keras_dropouts.keras_internals.time_distributed import right_time_axis
from keras_dropouts.surgery.rates import rates_off
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts_export.tracing.traceable_preprocessing import (
    no_unused_draws,
    tables_as_constants,
)


@contextmanager
def inference_mode(model: keras.Model) -> Iterator[None]:
    """Trace `model` inside this: as in `noise_off`, and in a form that its artifact can hold.

    Preprocessing layers leave plain operations, TimeDistributed takes all time steps where their
    number is not known, and recurrent cells compute their gates in one product, of which runtimes
    have an operation.
    """
    with noise_off(model), tables_as_constants(model), right_time_axis(), gates_at_once(model):
        yield


@contextmanager
def noise_off(model: keras.Model) -> Iterator[None]:
    """Call `model` inside this: no layer trains and no rate is above zero.

    `training` is forced to False in every call of a layer, which covers a training=True that is
    baked into a graph or written in a layer's `call`, and layers that train by default. Rates of
    Keras's own layers are set to zero, as recurrent cells draw their masks even at inference.
    Nothing of this is seen by other threads, and nothing of it stays.
    """
    others = [source for source in noise_sources(model) if not source.ours]
    with (
        restored_after_calls(model),
        rates_off(others),
        training_is_false(),
        no_unused_draws(model),
    ):
        yield


@contextmanager
def training_is_false(kind: Any = keras.layers.Layer) -> Iterator[None]:
    """Force `training=False` in every call of a layer of `kind`, in this thread."""

    def changed(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self, kind) and takes_training(self):
                kwargs["training"] = False
            return original(self, *args, **kwargs)

        return call

    with replaced_in_thread(keras.layers.Layer, "__call__", changed):
        yield
