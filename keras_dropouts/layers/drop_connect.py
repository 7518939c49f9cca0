"""Defines DropConnect, a wrapper that drops weights of a layer, not units."""

from __future__ import annotations

from keras import layers as keras_layers
from keras import ops

from keras_dropouts.keras_internals.layer_weights import kernels
from keras_dropouts.keras_internals.patching import with_attributes
from keras_dropouts.layers.wrapper import WrappingDropout, call_wrapped
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class DropConnect(WrappingDropout):
    """Wraps a layer and drops its weights.

    In training each entry of the wrapped layer's kernel is set to 0 with probability `rate`, and
    kept ones are scaled by 1 / (1 - rate), so the mean over masks is the kernel. One mask is
    drawn for each training call and serves the whole batch. Biases are kept. When not training
    the layer is as it is: the weights' mean, where the paper draws from a Gaussian approximation
    of the units' distribution.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate, as
    Keras has none.

    Args:
        layer: A Dense, EinsumDense, Conv1D, Conv2D, Conv3D, Conv1DTranspose to Conv3DTranspose,
            DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D or SeparableConv2D layer.
        rate: Probability of dropping a weight, a number in [0, 1], or a schedule step -> rate.
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
        >>> layer = kd.DropConnect(keras.layers.Dense(64, activation="relu"), 0.5)
        >>> tuple(layer(np.ones((2, 32), "float32"), training=True).shape)
        (2, 64)

    Reference:
        Wan, Zeiler, Zhang, LeCun and Fergus, 2013, "Regularization of neural networks using
        DropConnect".
    """

    supported = (
        keras_layers.Dense,
        keras_layers.EinsumDense,
        keras_layers.Conv1D,
        keras_layers.Conv2D,
        keras_layers.Conv3D,
        keras_layers.Conv1DTranspose,
        keras_layers.Conv2DTranspose,
        keras_layers.Conv3DTranspose,
        keras_layers.DepthwiseConv1D,
        keras_layers.DepthwiseConv2D,
        keras_layers.SeparableConv1D,
        keras_layers.SeparableConv2D,
    )
    draws_by_row = False

    def call_dropped(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        dropped: dict[str, Tensor] = {}
        for draw, (name, kernel) in enumerate(kernels(self.layer).items()):
            kept = _dropped(ops.convert_to_tensor(kernel.value), rate, stream, draw)
            dropped[name] = ops.cast(kept, self.layer.compute_dtype)
        with with_attributes(self.layer, **dropped):
            return call_wrapped(self.layer, inputs, training=True)


def _dropped(kernel: Tensor, rate: Tensor, stream: Stream, draw: int) -> Tensor:
    shape = tuple(kernel.shape)
    again = stream.again(lambda stream: stream.keep(shape, rate, draw))
    return masks.apply_mask(kernel, stream.keep(shape, rate, draw), masks.keep_scale(rate), again)
