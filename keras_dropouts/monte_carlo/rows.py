"""Repeats, splits and joins the rows of Monte-Carlo samples, padding masks included."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from keras_dropouts.keras_internals.padding_masks import padding_mask, set_padding_mask
from keras_dropouts.keras_internals.static_shapes import tiled_rows
from keras_dropouts.types import Tensor


def repeated_rows(x: Tensor, count: int) -> Tensor:
    """Return `x` as rows of `count` samples: all of its rows, and all of them again."""
    if count == 1:
        return x
    tiled = tiled_rows(x, count)
    mask = padding_mask(x)
    if mask is not None:
        set_padding_mask(tiled, repeated_rows(mask, count))
    return tiled


def split_rows(x: Tensor, count: int) -> list[Tensor]:
    """Return the rows of each of `count` samples."""
    parts = list(ops.split(x, count, axis=0))
    mask = padding_mask(x)
    if mask is not None:
        for part, mask_part in zip(parts, split_rows(mask, count), strict=True):
            set_padding_mask(part, mask_part)
    return parts


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return the rows of all samples, from those of each."""
    whole = ops.concatenate(list(parts), axis=0)
    masks = [padding_mask(part) for part in parts]
    if masks[0] is not None:
        set_padding_mask(whole, joined(masks))
    return whole
