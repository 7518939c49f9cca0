"""Defines GaussianDropout, which multiplies by Gaussian noise of the variance of dropout."""

from __future__ import annotations

import keras
from keras import ops

from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class GaussianDropout(BaseDropout):
    """Multiplies each unit by Gaussian noise with the mean and variance of dropout's.

    In training the output is x * (1 + sqrt(rate / (1 - rate)) * n) with n from the standard
    normal distribution; the mean over the noise is the input. At rate 1, where the variance has
    no bound, the output is 0. Otherwise it is the identity.

    Stripped, nothing is left of it; frozen, it is `keras.layers.GaussianDropout` with the present
    rate (at rate 1, which Keras's cannot compute, this layer).

    Args:
        rate: Rate of the dropout whose variance the noise has, a number in [0, 1], or a
            schedule step -> rate.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats, of any shape.
        training: Whether to add noise.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> features = np.ones((1000, 100), "float32")
        >>> outputs = kd.GaussianDropout(0.2, seed=1)(features, training=True)
        >>> noisy = keras.ops.convert_to_numpy(outputs)
        >>> round(float(noisy.mean()), 2), round(float(noisy.var()), 2)  # 1, 0.2 / (1 - 0.2)
        (1.0, 0.25)

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014, "Dropout: a simple
        way to prevent neural networks from overfitting", section 10.
    """

    def drop(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        noise = stream.normal(self.mask_shape(inputs))
        keep = 1.0 - rate
        # Twice `where`: the branch not taken must have a finite gradient, too.
        deviation = ops.sqrt(rate / ops.where(keep > 0.0, keep, 1.0))
        factor = ops.where(keep > 0.0, 1.0 + deviation * noise, 0.0)
        dtype = inputs.dtype if ops.dtype(inputs) == "float64" else "float32"
        return ops.cast(ops.cast(inputs, dtype) * ops.cast(factor, dtype), inputs.dtype)

    def frozen(self) -> list[keras.layers.Layer]:
        if self.rate == 1.0:
            return super().frozen()
        return [self._frozen_as(keras.layers.GaussianDropout)]
