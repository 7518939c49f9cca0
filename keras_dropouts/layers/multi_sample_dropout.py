"""Defines MultiSampleDropout, a wrapper that runs a head on several dropout samples."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_integer
from keras_dropouts.layers.wrapper import WrappingDropout, call_wrapped
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor


@register
class MultiSampleDropout(WrappingDropout):
    """Wraps the head of a network and averages its outputs over several dropout samples.

    In training the input is dropped `samples` times, each time with a mask of its own, the
    wrapped layer runs on all of them as one batch with one set of weights, and the output is the
    mean. What comes before is computed once. When not training the wrapped layer sees its input
    as it is.

    The paper averages the losses of the samples. For a linear head the mean over masks of both
    outputs is the same; a convex loss of the mean output is at most the mean of the losses.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate.

    Args:
        layer: Any layer with one input and one output tensor (batch, ...); a model will do.
        rate: Probability of dropping, a number in [0, 1], or a schedule step -> rate.
        samples: Number of samples, an integer above 0.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats, as the wrapped layer takes it.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> head = kd.MultiSampleDropout(keras.layers.Dense(10), 0.5, samples=8)
        >>> tuple(head(np.ones((2, 64), "float32"), training=True).shape)
        (2, 10)

    Reference:
        Inoue, 2019, "Multi-sample dropout for accelerated training and better generalization".
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float | Schedule,
        samples: int = 4,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, rate, seed=seed, **kwargs)
        self.samples = check_integer(samples, "samples", minimum=1)

    def call_dropped(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        self._check_floats(inputs)
        batch, *rest = ops.shape(inputs)
        # Samples of one row lie side by side: the batch stays the first axis.
        keep = stream.keep((batch, self.samples, *rest), rate)
        dropped = masks.apply_mask(ops.expand_dims(inputs, 1), keep, masks.keep_scale(rate), None)
        outputs = call_wrapped(self.layer, ops.reshape(dropped, (-1, *rest)), training=True)
        return ops.mean(ops.reshape(outputs, (-1, self.samples, *ops.shape(outputs)[1:])), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "samples": self.samples}
