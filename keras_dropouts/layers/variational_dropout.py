"""Defines VariationalDropout, a wrapper that learns a noise for each weight of a layer."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from keras_dropouts.arguments import check_rate, invalid, is_real
from keras_dropouts.keras_internals.dtypes import autocast_scope
from keras_dropouts.keras_internals.layer_weights import kernel, with_kernel
from keras_dropouts.keras_internals.patching import with_attributes
from keras_dropouts.keras_internals.regularizers import as_regularizer
from keras_dropouts.layers.data_size import divergence_factor, warn_of_no_factors
from keras_dropouts.layers.wrapper import WrappingDropout, call_wrapped
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor

_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695  # the fit of equation 14


@register
class VariationalDropout(WrappingDropout):
    """Wraps a layer and learns a Gaussian noise for each of its weights.

    Each weight w is w * (1 + sqrt(alpha) * n), with n from the standard normal distribution and
    its own alpha, which is learned as `log sigma**2 = log(alpha * w**2)`. In training the noise is
    drawn for the outputs: normal with mean x @ w and variance `x**2 @ sigma**2`. The loss gets
    `kl_weight` times the divergence from the prior, approximately

        -sum(k1 * sigmoid(k2 + k3 * log alpha) - 0.5 * log(1 + 1 / alpha) - k1).

    Where log alpha is above `threshold` a weight is noise, and when not training it is 0;
    `layer.sparsity()` is the share of those. `layer.rate` is the mean over the weights of
    alpha / (1 + alpha), the rate of the dropout with that noise; setting it gives all weights
    one alpha.

    Stripped and frozen, it is the wrapped layer with real zeros in its kernel, under the
    wrapper's name.

    Args:
        layer: A Dense, Conv1D, Conv2D or Conv3D layer.
        rate: Rate at the start, the same for all weights, a number strictly between 0 and 1.
        kl_weight: Factor of the divergence in the loss, a finite number above 0; None takes
            1 / data_size, or 1e-4 without `data_size`. Raise it from 0 over the first epochs by
            `layer.kl_weight.assign(...)` to train networks from scratch.
        threshold: log alpha beyond which a weight is taken for 0; the paper has 3.
        seed: None or an integer in [0, 2**63).
        data_size: None, or the number of training samples, an integer above 0. The loss is meant
            as a mean over the samples. A layer that trains with neither it nor `kl_weight` says so
            once.

    Call arguments:
        inputs: Tensor of floats, as the wrapped layer takes it.
        training: Whether to add noise.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> layer = kd.VariationalDropout(keras.layers.Dense(300), data_size=60_000)
        >>> outputs = layer(np.ones((2, 32), "float32"), training=True)
        >>> layer.sparsity()  # no weight is 0 before training
        0.0

    Reference:
        Kingma, Salimans and Welling, 2015, "Variational dropout and the local
        reparameterization trick"; Molchanov, Ashukha and Vetrov, 2017, "Variational dropout
        sparsifies deep neural networks".
    """

    learned = True
    is_plain_at_rate_0 = False  # a rate of 0 is out of its range
    supported = (
        keras_layers.Dense,
        keras_layers.Conv1D,
        keras_layers.Conv2D,
        keras_layers.Conv3D,
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float = 0.01,
        kl_weight: float | None = None,
        threshold: float = 3.0,
        seed: int | None = None,
        *,
        data_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not is_real(rate):
            raise invalid("rate", "a number strictly between 0 and 1, where learning starts", rate)
        super().__init__(layer, rate, seed=seed, **kwargs)
        self._start = self._initial_rate
        self._given = {"kl_weight": kl_weight, "data_size": data_size}
        factor = divergence_factor(kl_weight, data_size)
        self.kl_weight = self._state("kl_weight", (), "float32", factor)
        self._says_nothing = kl_weight is data_size is None
        if not is_real(threshold) or not np.isfinite(threshold):
            raise invalid("threshold", "a finite number", threshold)
        self.threshold = float(threshold)

    def _add_rate(self) -> None:
        """Add nothing: the rate is that of the variances, which `build` adds."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self._input_shape = tuple(input_shape)
        self.log_variance = self.add_weight(
            name="log_variance",
            shape=kernel(self.layer).shape,
            dtype="float32",
            initializer=lambda shape, dtype: self._uniform(self._start),
            autocast=False,
            regularizer=as_regularizer(self._divergence),
        )

    def _uniform(self, rate: float) -> Tensor:
        """Return the log variances at which all weights have the alpha of one rate."""
        return ops.log(ops.square(self._kernel()) + 1e-8) + math.log(rate) - math.log1p(-rate)

    def _kernel(self) -> Tensor:
        """Return the kernel in float32, not rounded to the dtype of the computation.

        Which weights are 0 must not depend on that.
        """
        with autocast_scope(None):
            return ops.cast(ops.convert_to_tensor(kernel(self.layer)), "float32")

    @property
    def rate(self) -> float:
        """The mean over the weights of alpha / (1 + alpha)."""
        if not self.built:
            return self._start
        return float(str(np.float32(ops.convert_to_numpy(self.current_rate()))))

    @rate.setter
    def rate(self, value: Any) -> None:
        value = self._check_rate(value)
        self._start = value
        if self.built:
            self.log_variance.assign(self._uniform(value))

    def _check_rate(self, rate: Any) -> float:
        rate = check_rate(rate)
        if not 0.0 < rate < 1.0:
            raise invalid("rate", "a number strictly between 0 and 1", rate)
        return rate

    def current_rate(self, step: Tensor | None = None) -> Tensor:
        if not self.built:
            return ops.convert_to_tensor(self._start, "float32")
        return ops.mean(ops.sigmoid(self._log_alpha(self.log_variance)))

    def _log_alpha(self, log_variance: Any) -> Tensor:
        log_kernel = ops.log(ops.square(self._kernel()) + 1e-8)
        log_alpha = ops.convert_to_tensor(log_variance) - log_kernel
        return ops.clip(log_alpha, -20.0, 20.0)

    def _divergence(self, log_variance: Tensor) -> Tensor:
        """Return equation 14; it is the regularizer of the variances."""
        log_alpha = self._log_alpha(log_variance)
        inverse = 0.5 * ops.softplus(-log_alpha)  # 0.5 * log(1 + 1 / alpha)
        negative = _K1 * ops.sigmoid(_K2 + _K3 * log_alpha) - inverse - _K1
        return -ops.convert_to_tensor(self.kl_weight) * ops.sum(negative)

    def call_undropped(self, inputs: Tensor) -> Tensor:
        needed = ops.cast(self._log_alpha(self.log_variance) <= self.threshold, "float32")
        sparse = ops.cast(self._kernel() * needed, self.layer.compute_dtype)
        with with_kernel(self.layer, sparse):
            return call_wrapped(self.layer, inputs)

    def call_dropped(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        if self._says_nothing and stream.for_training:
            self._says_nothing = False
            warn_of_no_factors(self, "`kl_weight`")
        variance = ops.cast(ops.exp(ops.convert_to_tensor(self.log_variance)), "float32")
        wide = ops.cast(inputs, "float32")
        linear = keras.activations.linear
        with with_kernel(self.layer, variance, activation=linear, use_bias=False, bias=None):
            spread = self.layer.call(ops.square(wide))
        with with_attributes(self.layer, activation=linear):
            mean = ops.cast(self.layer.call(inputs), "float32")
        noise = stream.normal(tuple(ops.shape(mean)))
        outputs = mean + ops.sqrt(ops.cast(spread, "float32") + 1e-8) * noise
        return self.layer.activation(ops.cast(outputs, self.layer.compute_dtype))

    def sparsity(self) -> float:
        """Return the share of the weights that are 0 after training."""
        return float(np.mean(self._zeroed()))

    def _zeroed(self) -> np.ndarray:
        log_alpha = ops.convert_to_numpy(self._log_alpha(self.log_variance))
        return np.asarray(log_alpha) > self.threshold

    def stripped(self) -> keras.layers.Layer:
        config = {**self.layer.get_config(), "name": self.name}
        layer = type(self.layer).from_config(config)
        if self.built:
            layer.build(self._input_shape)
            first, *rest = self.layer.get_weights()
            layer.set_weights([np.where(self._zeroed(), 0, first), *rest])
        return layer

    def frozen(self) -> list[keras.layers.Layer]:
        return [self.stripped()]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self._start,
            **self._given,
            "threshold": self.threshold,
        }
