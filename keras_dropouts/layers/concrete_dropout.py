"""Defines ConcreteDropout, a wrapper whose dropout rate is learned by gradient descent."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers as keras_layers
from keras import ops

from keras_dropouts import backends
from keras_dropouts.arguments import check_positive, check_rate, invalid, is_real
from keras_dropouts.keras_internals.call_stack import outside_stateless_scope
from keras_dropouts.keras_internals.regularizers import as_regularizer
from keras_dropouts.layers.data_size import regularizer_factors, warn_of_no_factors
from keras_dropouts.layers.present_rate import PresentRate
from keras_dropouts.layers.spatial_dropout import spatial_stand_in
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor

_DENSE = (keras_layers.Dense, keras_layers.EinsumDense)
_CONVOLUTIONS = (
    keras_layers.Conv1D,
    keras_layers.Conv2D,
    keras_layers.Conv3D,
    keras_layers.DepthwiseConv1D,
    keras_layers.DepthwiseConv2D,
    keras_layers.SeparableConv1D,
    keras_layers.SeparableConv2D,
)


@register
class ConcreteDropout(WrappingDropout):
    """Wraps a layer with dropout of its input at a rate that is learned.

    The decision to drop is relaxed to z = sigmoid((logit(p) + logit(u)) / t), with u uniform on
    (0, 1), so the loss has a gradient with respect to p; the layer's input is multiplied by
    (1 - z) / (1 - p). For a convolution whole channels are dropped. When not training the
    wrapped layer sees its input as it is. As the decision is relaxed, the mean over masks is
    the input only up to a small error that shrinks with t, as in the paper.

    Two terms join the loss: `weight_regularizer * ||W||**2 / (1 - p)` and
    `dropout_regularizer * K * (p log p + (1 - p) log(1 - p))`, where W is the kernel that meets
    the input and K the number of dropped dimensions (features; channels of a convolution). The
    second is negative, so the loss may go below zero. Without them nothing but the data moves the
    rate, and hardly: give `data_size`, from which both factors follow as in the paper, or both
    factors. A layer that trains with neither says so once. The more data, the lower the rate.

    The learned rate is `layer.rate`, and the metric `<name>_rate` in the history of `fit`. Set
    to 0 it stays there, and dropout is off.

    Stripped, it is the wrapped layer; frozen, it is Keras's `Dropout` (or `SpatialDropout1D` to
    `3D`) with the learned rate, followed by the wrapped layer.

    Args:
        layer: A Dense, EinsumDense, Conv1D, Conv2D, Conv3D, DepthwiseConv1D, DepthwiseConv2D,
            SeparableConv1D or SeparableConv2D layer.
        rate: Rate at the start, a number strictly between 0 and 1.
        weight_regularizer: Factor of the weight term, a finite number of at least 0; None takes
            length_scale**2 / data_size, or 1e-6 without `data_size`.
        dropout_regularizer: Factor of the entropy term, a finite number of at least 0; None takes
            2 / data_size (1 / data_size for cross-entropy), or 1e-5 without `data_size`.
        temperature: t, a number above 0; None means 0.1, or 2/3 for a convolution.
        seed: None or an integer in [0, 2**63).
        data_size: None, or the number of training samples, an integer above 0. The loss is meant
            as a mean over the samples.
        length_scale: The prior length scale of the weights, above 0, for use with `data_size`: the
            larger, the smoother the function that is learned and the lower the rate.
        loss: "mse" or "crossentropy", the loss of the model, for use with `data_size`. See
            `concrete_regularizers`, which also takes the precision of the observations.

    Call arguments:
        inputs: Tensor of floats, as the wrapped layer takes it.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> dense = keras.layers.Dense(3)
        >>> layer = kd.ConcreteDropout(dense, data_size=64, loss="crossentropy")
        >>> model = keras.Sequential([keras.Input((8,)), layer])
        >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> x, y = np.random.default_rng(0).normal(size=(64, 8)), np.arange(64) % 3
        >>> history = model.fit(x, y, epochs=2, verbose=0)
        >>> layer.rate != 0.1  # it was learned
        True

    Reference:
        Gal, Hron and Kendall, 2017, "Concrete dropout".
    """

    learned = True
    is_plain_at_rate_0 = False  # a rate of 0 is out of the range of its constructor
    supported = (*_DENSE, *_CONVOLUTIONS)

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float = 0.1,
        weight_regularizer: float | None = None,
        dropout_regularizer: float | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        *,
        data_size: int | None = None,
        length_scale: float = 1e-2,
        loss: str = "mse",
        **kwargs: Any,
    ) -> None:
        if not is_real(rate) or not 0.0 < rate < 1.0:
            expected = "a number strictly between 0 and 1, where learning starts"
            raise invalid("rate", expected, rate, "A schedule goes to `ScheduledDropout`.")
        super().__init__(layer, rate, seed=seed, **kwargs)
        self._given = {
            "weight_regularizer": weight_regularizer,
            "dropout_regularizer": dropout_regularizer,
            "data_size": data_size,
            "length_scale": length_scale,
            "loss": loss,
        }
        self.weight_regularizer, self.dropout_regularizer = regularizer_factors(**self._given)
        # One factor alone is a choice, too.
        self._says_nothing = data_size is weight_regularizer is dropout_regularizer is None
        self.spatial = isinstance(layer, _CONVOLUTIONS)
        self._given_temperature = temperature
        default = 2.0 / 3.0 if self.spatial else 0.1
        self.temperature = (
            default if temperature is None else check_positive(temperature, "temperature")
        )
        self.rate_metric = PresentRate(self, self._rate_is_unknown)

    def _check_rate(self, rate: Any) -> float:
        rate = check_rate(rate)
        if rate == 1.0:
            raise invalid("rate", "a number below 1, as the rate is learned as a logit", rate)
        return rate

    def _encode(self, rate: float) -> float:
        # A logit this low is a rate of exactly 0, with a gradient of exactly 0.
        return math.log(rate) - math.log1p(-rate) if rate > 0.0 else -1e30

    def current_rate(self, step: Tensor | None = None) -> Tensor:
        return ops.sigmoid(backends.read(self._rate))

    def _rate_is_unknown(self) -> bool:
        """Return whether a pure function is running that was not handed the rate."""
        return outside_stateless_scope(self._rate)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self._rank = len(input_shape)
        self._dropped_dimensions = self._count_dropped_dimensions(input_shape)
        self._rate.regularizer = as_regularizer(self._regularization)

    def _count_dropped_dimensions(self, input_shape: Any) -> int:
        if isinstance(self.layer, keras_layers.EinsumDense):
            inputs, kernel, output = _einsum_terms(self.layer.equation)
            contracted = [
                input_shape[i - len(inputs)]
                for i, letter in enumerate(inputs)
                if letter in kernel and letter not in output
            ]
            return math.prod(contracted)
        return int(input_shape[1 if self._channels_first else -1])

    @property
    def _channels_first(self) -> bool:
        return getattr(self.layer, "data_format", None) == "channels_first"

    def _regularization(self, logit: Tensor) -> Tensor:
        """Return both terms, from the logit; it is the regularizer of that weight."""
        logit = ops.cast(ops.convert_to_tensor(logit), "float32")
        rate = ops.sigmoid(logit)
        kernel = getattr(self.layer, "depthwise_kernel", None)
        kernel = self.layer.kernel if kernel is None else kernel
        weights = ops.sum(ops.square(ops.cast(ops.convert_to_tensor(kernel), "float32")))
        entropy = rate * ops.log_sigmoid(logit) + (1.0 - rate) * ops.log_sigmoid(-logit)
        return (
            self.weight_regularizer * weights * (1.0 + ops.exp(logit))  # 1 / (1 - p)
            + self.dropout_regularizer * self._dropped_dimensions * entropy
        )

    def call_dropped(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        self._check_floats(inputs)
        if self._says_nothing and stream.for_training:
            self._says_nothing = False
            warn_of_no_factors(self, "regularizers")
        return self.layer(self.drop(inputs, rate, stream))

    def drop(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        noise = stream.uniform(self.mask_shape(inputs))
        logit = backends.read(self._rate)
        kept = masks.concrete_keep(noise, logit, self.temperature)
        factor = kept * (1.0 + ops.exp(logit))  # (1 - z) / (1 - p)
        dtype = inputs.dtype if ops.dtype(inputs) == "float64" else "float32"
        return ops.cast(ops.cast(inputs, dtype) * ops.cast(factor, dtype), inputs.dtype)

    def mask_shape(self, inputs: Tensor) -> tuple[Any, ...]:
        shape = super().mask_shape(inputs)
        if not self.spatial:
            return shape
        channels = 1 if self._channels_first else len(shape) - 1
        return tuple(size if axis in (0, channels) else 1 for axis, size in enumerate(shape))

    def frozen(self) -> list[keras.layers.Layer]:
        if not self.spatial:
            return [self._frozen_as(keras_layers.Dropout), self.stripped()]
        data_format = "channels_first" if self._channels_first else "channels_last"
        return [spatial_stand_in(self, self.rank, data_format), self.stripped()]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **self._given,
            "temperature": self._given_temperature,
        }


def _einsum_terms(equation: str) -> tuple[str, str, str]:
    left, output = equation.replace(".", "").replace(" ", "").split("->")
    inputs, kernel = left.split(",")
    return inputs, kernel, output
