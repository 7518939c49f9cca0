"""Mends the calls of TimeDistributed that Keras traces wrongly over a dynamic time axis."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
from keras import ops

from keras_dropouts.keras_internals.layers import (
    parts,
    runs_known_code,
    takes_mask,
    takes_training,
)
from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.keras_internals.versions import first_of
from keras_dropouts.types import Layer, Tensor


def right_time_axis(
    sampled: Callable[[Layer], bool] = lambda layer: False,
) -> AbstractContextManager[None]:
    """Call TimeDistributed layers inside this, in a graph too, and they take all time steps.

    Where the number of time steps is not known while a graph is traced, Keras (3.0 to 3.15) counts
    as many as the batch has rows: the result is cut to the shorter of the two. At inference time
    steps become rows of one batch, which every runtime has operations for; in training, and for
    layers of users, which may mix the rows of a batch, Keras's `vectorized_map` stays. Relies on
    `TimeDistributed.call` and `vectorized_map` of Keras's backends.

    sampled: tells whether a layer draws the masks of Monte-Carlo samples. It takes one of the two
    ways then whether the number is known or not, or that would say which masks it draws.
    """

    def mended(original: Any) -> Any:
        def call(self: Layer, inputs: Tensor, training: Any = None, mask: Any = None) -> Tensor:
            samples = sampled(self.layer)
            if inputs.shape[1] is not None and not samples:
                return original(self, inputs, training=training, mask=mask)
            mask = mask if takes_mask(self.layer) else None
            in_training = training and not samples
            if in_training or not all(map(runs_known_code, parts(self.layer))):
                return _step_by_step(self.layer, inputs, mask, training)
            return _as_rows(self.layer, inputs, mask, training)

        return call

    return replaced_in_thread(keras.layers.TimeDistributed, "call", mended)


def _arguments(layer: Layer, mask: Any, training: Any) -> dict[str, Any]:
    found = {} if mask is None else {"mask": mask}
    return {**found, "training": training} if takes_training(layer) else found


def _as_rows(layer: Layer, inputs: Tensor, mask: Any, training: Any) -> Tensor:
    batch, time = ops.shape(inputs)[:2]

    def rows(x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, *ops.shape(x)[2:]))

    arguments = _arguments(layer, None if mask is None else rows(mask), training)
    outputs = layer.call(rows(inputs), **arguments)
    return ops.reshape(outputs, (batch, time, *ops.shape(outputs)[1:]))


def _step_by_step(layer: Layer, inputs: Tensor, mask: Any, training: Any) -> Tensor:
    vectorized_map = first_of("right_time_axis", "keras.src.backend:vectorized_map")
    by_time = _swapped(inputs)
    mask_by_time = None if mask is None else _swapped(mask)

    def step(i: Tensor) -> Tensor:
        mask = None if mask_by_time is None else mask_by_time[i]
        return layer.call(by_time[i], **_arguments(layer, mask, training))

    return _swapped(vectorized_map(step, ops.arange(ops.shape(by_time)[0])))


def _swapped(x: Tensor) -> Tensor:
    """Return a tensor with its first two axes, of the batch and of time, exchanged."""
    return ops.transpose(x, axes=[1, 0, *range(2, len(x.shape))])
