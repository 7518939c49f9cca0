"""Defines ScheduledDropout, dropout of single units at a rate that may follow a schedule."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import invalid, is_integer
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor


@register
class ScheduledDropout(BaseDropout):
    """Dropout whose rate is state: a number to be set at any time, or a schedule over steps.

    In training each unit is set to 0 with probability `rate`, and what is kept is scaled by
    1 / (1 - rate), so the mean over masks is the input. Otherwise it is the identity.

    Stripped, nothing is left of it; frozen, it is `keras.layers.Dropout` with the present rate.

    Args:
        rate: Probability of dropping, a number in [0, 1], or a schedule step -> rate.
        noise_shape: None, or a tuple with one entry for each dimension of the input: 1 where
            the mask is shared along a dimension, None (or the input's size) where it is not.
            `(None, 1, None)` shares it over the time steps of a (batch, time, features) input.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats, of any shape.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=10)
        >>> layer = kd.ScheduledDropout(ramp, seed=7)
        >>> features = np.ones((2, 64), "float32")
        >>> for _ in range(5):
        ...     outputs = layer(features, training=True)
        >>> layer.step, layer.rate
        (5, 0.25)
        >>> layer.rate = 0.5  # prevails until `layer.rate = layer.schedule`
        >>> np.unique(keras.ops.convert_to_numpy(layer(features, training=True)))
        array([0., 2.], dtype=float32)

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014, "Dropout: a simple
        way to prevent neural networks from overfitting".
    """

    def __init__(
        self,
        rate: float | Schedule,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.noise_shape = _check_noise_shape(noise_shape)
        super().__init__(rate, seed=seed, **kwargs)

    def mask_shape(self, inputs: Tensor) -> tuple[Any, ...]:
        shape = super().mask_shape(inputs)
        if self.noise_shape is None:
            return shape
        if len(self.noise_shape) != len(shape):
            expected = f"a tuple of {len(shape)}, one for each dimension of the input"
            raise invalid("noise_shape", expected, self.noise_shape)
        return tuple(
            size if given is None else given
            for size, given in zip(shape, self.noise_shape, strict=True)
        )

    def frozen(self) -> list[keras.layers.Layer]:
        return [self._frozen_as(keras.layers.Dropout, noise_shape=self.noise_shape)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "noise_shape": self.noise_shape}


def _check_noise_shape(value: Any) -> tuple[int | None, ...] | None:
    if value is None:
        return None
    expected = "None, or a tuple of integers above 0 and Nones"
    if not isinstance(value, (tuple, list)):
        raise invalid("noise_shape", expected, value)
    if not all(size is None or (is_integer(size) and size > 0) for size in value):
        raise invalid("noise_shape", expected, value)
    return tuple(value)
