"""Repeats, splits and joins the rows of Monte-Carlo samples, padding masks included.

The samples of a row follow each other, and all of them come before those of the next row.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from keras_dropouts.keras_internals import static_shapes
from keras_dropouts.keras_internals.padding_masks import padding_mask, set_padding_mask
from keras_dropouts.types import Tensor


def repeated_rows(x: Tensor, count: int) -> Tensor:
    """Return `x` with each row as the rows of `count` samples."""
    if count == 1:
        return x
    repeated = static_shapes.repeated_rows(x, count)
    mask = padding_mask(x)
    if mask is not None:
        set_padding_mask(repeated, repeated_rows(mask, count))
    return repeated


def split_rows(x: Tensor, count: int) -> list[Tensor]:
    """Return the rows of each of `count` samples."""
    by_sample = ops.reshape(x, (-1, count, *ops.shape(x)[1:]))
    parts = [by_sample[:, i] for i in range(count)]
    mask = padding_mask(x)
    if mask is not None:
        for part, mask_part in zip(parts, split_rows(mask, count), strict=True):
            set_padding_mask(part, mask_part)
    return parts


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return the rows of all samples, from those of each."""
    whole = ops.reshape(ops.stack(list(parts), axis=1), (-1, *ops.shape(parts[0])[1:]))
    masks = [padding_mask(part) for part in parts]
    if masks[0] is not None:
        set_padding_mask(whole, joined(masks))
    return whole
