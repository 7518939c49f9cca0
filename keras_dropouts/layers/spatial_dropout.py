"""Defines SpatialDropout, dropout of whole channels."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import check_choice, invalid
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor

_KERAS_KIN = {
    3: keras.layers.SpatialDropout1D,
    4: keras.layers.SpatialDropout2D,
    5: keras.layers.SpatialDropout3D,
}


@register
class SpatialDropout(BaseDropout):
    """Dropout of whole channels, for feature maps of any rank.

    Neighbours within a feature map are alike, so dropping single units drops little
    information; here, in training, a channel of a sample is set to 0 with probability `rate`
    and kept channels are scaled by 1 / (1 - rate). Otherwise it is the identity.

    Stripped, nothing is left of it; frozen, it is `keras.layers.SpatialDropout1D`, `2D` or `3D`,
    or `keras.layers.Dropout` with a `noise_shape` where Keras has no such layer.

    Args:
        rate: Probability of dropping a channel, a number in [0, 1], or a schedule step -> rate.
        data_format: "channels_last" (batch, ..., channels), "channels_first" (batch, channels,
            ...) or None for Keras's own setting.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats, of rank 3 or more.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the input's rank
            is below 3.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> maps = np.ones((1, 4, 4, 8), "float32")
        >>> outputs = kd.SpatialDropout(0.5, seed=1)(maps, training=True)
        >>> channels = keras.ops.convert_to_numpy(outputs).reshape(16, 8)
        >>> bool((channels == channels[0]).all())  # a channel is dropped as a whole
        True

    Reference:
        Tompson, Goroshin, Jain, LeCun and Bregler, 2015, "Efficient object localization using
        convolutional networks".
    """

    def __init__(
        self,
        rate: float | Schedule,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = check_data_format(data_format)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 3:
            raise invalid("inputs", "a tensor of rank 3 or more", tuple(input_shape))
        self._rank = len(input_shape)

    def mask_shape(self, inputs: Tensor) -> tuple[Any, ...]:
        shape = super().mask_shape(inputs)
        channels = 1 if self.data_format == "channels_first" else len(shape) - 1
        return tuple(size if axis in (0, channels) else 1 for axis, size in enumerate(shape))

    def frozen(self) -> list[keras.layers.Layer]:
        return [spatial_stand_in(self, self.rank, self.data_format)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


def check_data_format(value: Any) -> str:
    """Return the data format that is meant; None means Keras's own setting."""
    if value is None:
        return str(keras.config.image_data_format())
    return str(check_choice(value, "data_format", ("channels_last", "channels_first")))


def spatial_stand_in(layer: BaseDropout, rank: int, data_format: str) -> keras.layers.Layer:
    """Return Keras's layer that drops whole channels at the present rate of `layer`."""
    first = data_format == "channels_first"
    if rank == 3 and not first:
        return layer._frozen_as(_KERAS_KIN[rank])  # it has no data_format
    if rank in (4, 5):
        return layer._frozen_as(_KERAS_KIN[rank], data_format=data_format)
    spatial = (1,) * (rank - 2)
    noise_shape = (None, None, *spatial) if first else (None, *spatial, None)
    return layer._frozen_as(keras.layers.Dropout, noise_shape=noise_shape)
