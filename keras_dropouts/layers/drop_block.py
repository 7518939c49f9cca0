"""Defines DropBlock1D, DropBlock2D and DropBlock3D, which drop blocks of a feature map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from keras import ops

from keras_dropouts.arguments import check_choice, check_flag, invalid, is_integer
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.spatial_dropout import check_data_format
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor

_Class = TypeVar("_Class", bound=type)

_SHARED_DOCSTRING = """

    In training, blocks of `block_size` are set to 0 so that the share `rate` of the map is
    dropped, and what is kept is scaled up. Otherwise it is the identity.

    Seeds are drawn with probability gamma, and each drops the block that starts at it. Blocks
    overlap, so gamma is the solution of mean over positions of 1 - (1 - gamma)**n = rate, where
    n counts the seeds that can cover a position. With `border="valid"` n is smaller near the
    border, so the edges are dropped less often than the centre and the mean over masks is the
    input over the map as a whole, as in the paper; with `border="clip"` both hold at each
    position.

    Stripped, nothing is left of it; frozen, it is the same layer with the present rate, as
    Keras has none.

    Args:
        rate: Share of the map to drop, a number in [0, 1], or a schedule step -> rate.
        block_size: Size of a block in positions, an integer above 0 or a tuple with one for
            each spatial axis. A block larger than the map is clamped to it.
        shared: Whether all channels of a sample share one mask. By default each has its own.
        border: "valid": blocks lie inside the map, as in the paper; or "clip": they may reach
            over its border, so that each position is dropped with the same probability.
        gamma: "exact", with kept values scaled by 1 / (1 - rate); or "paper": the paper's
            gamma = rate / k**d * prod(L / (L - k + 1)) (the product is left out with
            `border="clip"`), which ignores overlap and drops too little, with kept values scaled
            by the number of units over the number kept in the whole batch.
        data_format: "channels_last" (batch, ..., channels), "channels_first" (batch, channels,
            ...) or None for Keras's own setting.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats, {shape}.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the input is of
            another rank.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> layer = kd.{name}(0.1, block_size=3, seed=1)
        >>> outputs = layer(np.ones({example}, "float32"), training=True)
        >>> np.unique(keras.ops.convert_to_numpy(outputs)).round(3)
        array([0.   , 1.111], dtype=float32)

    Reference:
        Ghiasi, Lin and Le, 2018, "DropBlock: a regularization method for convolutional
        networks".
    """


class DropBlockBase(BaseDropout):
    """What the DropBlock layers of all ranks share."""

    spatial_rank: int

    def __init__(
        self,
        rate: float | Schedule,
        block_size: int | tuple[int, ...],
        shared: bool = False,
        border: str = "valid",
        gamma: str = "exact",
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.block_size = self._check_block_size(block_size)
        self.shared = check_flag(shared, "shared")
        self.border = check_choice(border, "border", ("valid", "clip"))
        self.gamma = check_choice(gamma, "gamma", ("exact", "paper"))
        self.mixes_rows = self.gamma == "paper"  # its scale is that of the whole batch
        self.data_format = check_data_format(data_format)
        self._first_axis = 2 if self.data_format == "channels_first" else 1

    def _check_block_size(self, value: Any) -> tuple[int, ...]:
        sizes = (value,) * self.spatial_rank if is_integer(value) else value
        if (
            not isinstance(sizes, (tuple, list))
            or len(sizes) != self.spatial_rank
            or not all(is_integer(size) and size > 0 for size in sizes)
        ):
            expected = f"a positive integer or a tuple of {self.spatial_rank}"
            raise invalid("block_size", expected, value)
        return tuple(int(size) for size in sizes)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != self.spatial_rank + 2:
            raise invalid("inputs", f"rank {self.spatial_rank + 2}", tuple(input_shape))

    def drop(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        keep = self.keep_mask(inputs, rate, stream)
        scale = masks.keep_scale(rate)
        if self.gamma == "paper":
            scale = ops.where(rate < 1.0, _units_over_kept(keep), 0.0)
        again = stream.again(lambda stream: self.keep_mask(inputs, rate, stream))
        return masks.apply_mask(inputs, keep, scale, again)

    def keep_mask(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        """Return the boolean mask of what is kept; one channel wide when it is shared."""
        shape = list(self.mask_shape(inputs))
        first = self._first_axis
        if self.shared:
            shape[1 if first == 2 else -1] = 1
        axes = slice(first, first + self.spatial_rank)
        lengths = shape[axes]
        reach = [size - 1 for size in self.block_size]
        if self.border == "clip":
            shape[axes] = [n + extra for n, extra in zip(lengths, reach, strict=True)]
        else:
            shape[axes] = [
                _at_least_one(n - extra) for n, extra in zip(lengths, reach, strict=True)
            ]
        gamma = self._seed_rate(rate, lengths)
        seeds = stream.keep(tuple(shape), gamma, reused=True)
        keep = masks.erode(seeds, self.block_size, first, self.border == "valid", stream.once)
        sizes = zip(lengths, self.block_size, strict=True)
        if self.border == "clip" or all(isinstance(n, int) and n >= size for n, size in sizes):
            return keep
        # A map that is smaller than the block has grown beyond its size.
        return keep[(..., *map(slice, lengths), *[slice(None)] * (2 - first))]

    def _seed_rate(self, rate: Tensor, lengths: list[Any]) -> Tensor:
        if self.border == "clip":
            if self.gamma == "paper":
                return rate / float(np.prod(self.block_size))
            return masks.clipped_seed_rate(rate, self.block_size)
        solve = masks.paper_seed_rate if self.gamma == "paper" else masks.seed_rate
        return solve(rate, lengths, self.block_size)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "block_size": self.block_size,
            "shared": self.shared,
            "border": self.border,
            "gamma": self.gamma,
            "data_format": self.data_format,
        }


def _units_over_kept(keep: Tensor) -> Tensor:
    """Return the number of elements over the number of those that are True, at least 1, float32.

    In float32, as the elements of a batch may be more than int32 counts. What is dropped is
    counted, and in whole numbers along the last axis, so that the result is exactly 1 where
    nothing is dropped, and correctly rounded up to 2**24 elements.
    """
    sizes = [ops.cast(size, "float32") for size in ops.shape(keep)]
    units = ops.prod(ops.stack(sizes))
    dropped = ops.sum(ops.cast(ops.logical_not(keep), "int32"), axis=-1)
    return units / ops.maximum(units - ops.sum(ops.cast(dropped, "float32")), 1.0)


def _at_least_one(length: Any) -> Any:
    return max(length, 1) if isinstance(length, int) else ops.maximum(length, 1)


def _documented(shape: str, example: str) -> Callable[[_Class], _Class]:
    """Return a decorator that adds to a docstring what the three layers have in common."""

    def add(cls: _Class) -> _Class:
        shared = _SHARED_DOCSTRING.format(name=cls.__name__, shape=shape, example=example)
        cls.__doc__ = f"{cls.__doc__}{shared}"
        return cls

    return add


@register
@_documented("(batch, steps, channels)", "(4, 28, 8)")
class DropBlock1D(DropBlockBase):
    """DropBlock for sequences: dropout of runs of time steps."""

    spatial_rank = 1


@register
@_documented("(batch, height, width, channels)", "(4, 14, 14, 8)")
class DropBlock2D(DropBlockBase):
    """DropBlock for images: dropout of rectangles of a feature map."""

    spatial_rank = 2


@register
@_documented("(batch, depth, height, width, channels)", "(4, 8, 8, 8, 2)")
class DropBlock3D(DropBlockBase):
    """DropBlock for volumes: dropout of boxes of a feature map."""

    spatial_rank = 3
