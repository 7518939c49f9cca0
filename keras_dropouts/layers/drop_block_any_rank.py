"""Defines DropBlock, which is DropBlock1D, 2D or 3D by the rank of its first input."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid, is_integer
from keras_dropouts.layers.drop_block import DropBlockBase
from keras_dropouts.registry import register


@register
class DropBlock(DropBlockBase):
    """DropBlock for sequences, images and volumes: the first input decides which.

    In training, blocks of `block_size` are set to 0 so that the share `rate` of the map is dropped,
    and what is kept is scaled up; otherwise it is the identity. `DropBlock2D` says how; with inputs
    of another rank it is `DropBlock1D` or `DropBlock3D`, and draws the same masks.

    Stripped, nothing is left of it; frozen, it is the same layer with the present rate, as Keras
    has none.

    Args:
        rate: Share of the map to drop, a number in [0, 1], or a schedule step -> rate.
        block_size: Size of a block in positions, an integer above 0 or a tuple with one for each
            spatial axis.
        shared: Whether all channels of a sample share one mask, as for `DropBlock2D`.
        border: "valid" or "clip", as for `DropBlock2D`.
        gamma: "exact" or "paper", as for `DropBlock2D`.
        data_format: "channels_last", "channels_first" or None for Keras's own setting.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats with one, two or three spatial axes: (batch, ..., channels).
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the input has
            another rank than 3, 4 or 5, or than a tuple of block sizes says.

    Example:
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> x = np.ones((4, 14, 14, 8), "float32")
        >>> any_rank = kd.DropBlock(0.1, block_size=3, seed=1)
        >>> images = kd.DropBlock2D(0.1, block_size=3, seed=1)
        >>> bool(np.array_equal(any_rank(x, training=True), images(x, training=True)))
        True

    Reference:
        Ghiasi, Lin and Le, 2018, "DropBlock: a regularization method for convolutional networks".
    """

    def _check_block_size(self, value: Any) -> tuple[int, ...]:
        sizes = (value,) if is_integer(value) else value
        if (
            not isinstance(sizes, (tuple, list))
            or not 1 <= len(sizes) <= 3
            or not all(is_integer(size) and size > 0 for size in sizes)
        ):
            raise invalid("block_size", "a positive integer or a tuple of 1 to 3", value)
        self._given_size = int(value) if is_integer(value) else tuple(int(size) for size in value)
        return tuple(int(size) for size in sizes)

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape) - 2
        given = self._given_size
        ranks = (1, 2, 3) if isinstance(given, int) else (len(given),)
        if rank not in ranks:
            expected = " or ".join(f"rank {each + 2}" for each in ranks)
            raise invalid("inputs", expected, tuple(input_shape))
        self.spatial_rank = rank
        self.block_size = (given,) * rank if isinstance(given, int) else given

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "block_size": self._given_size}
