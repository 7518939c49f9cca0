"""Defines DropPath, which drops whole samples of a residual branch, and its rule over depth."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import check_integer, check_rate
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class DropPath(BaseDropout):
    """Dropout of a residual branch: whole samples are set to 0.

    Put it at the end of a branch, before the sum with the skip connection: a dropped sample
    then passes by the skip alone, as in a shallower network. In training each sample is dropped
    with probability `rate` and the kept ones are scaled by 1 / (1 - rate). Otherwise it is the
    identity.

    Stripped, nothing is left of it; frozen, it is `keras.layers.Dropout` with a `noise_shape`
    of one decision a sample.

    Args:
        rate: Probability of dropping a sample, a number in [0, 1], or a schedule step -> rate.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats (batch, ...).
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import keras_dropouts as kd
        >>> inputs = keras.Input((16,))
        >>> branch = keras.layers.Dense(16, activation="relu")(inputs)
        >>> outputs = keras.layers.Add()([inputs, kd.DropPath(0.1)(branch)])
        >>> model = keras.Model(inputs, outputs)

    Reference:
        Huang, Sun, Liu, Sedra and Weinberger, 2016, "Deep networks with stochastic depth";
        Larsson, Maire and Shakhnarovich, 2017, "FractalNet".
    """

    def build(self, input_shape: Any) -> None:
        self._rank = len(input_shape)

    def mask_shape(self, inputs: Tensor) -> tuple[Any, ...]:
        shape = super().mask_shape(inputs)
        return (shape[0],) + (1,) * (len(shape) - 1)

    def frozen(self) -> list[keras.layers.Layer]:
        noise_shape = (None,) + (1,) * (self.rank - 1)
        return [self._frozen_as(keras.layers.Dropout, noise_shape=noise_shape)]


def depth_rates(n: int, rate: float) -> list[float]:
    """Return the rates of `n` blocks by the linear rule: block l of n gets rate * l / n.

    Early blocks make features that all later ones use, so they are dropped less. l counts from
    1, so the last block gets `rate` itself.

    Args:
        n: Number of blocks, an integer above 0.
        rate: Rate of the last block, in [0, 1].

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras_dropouts as kd
        >>> [round(rate, 2) for rate in kd.depth_rates(4, 0.2)]
        [0.05, 0.1, 0.15, 0.2]

    Reference:
        Huang, Sun, Liu, Sedra and Weinberger, 2016, "Deep networks with stochastic depth".
    """
    n, rate = check_integer(n, "n", minimum=1), check_rate(rate)
    return [rate * block / n for block in range(1, n + 1)]
