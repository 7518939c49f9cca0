"""Draws the random numbers of Monte-Carlo samples, for layers that run while it is active.

The numbers are a function of a seed, the sample, the batch, the place of the noise source in the
model and the index in the batch. On TensorFlow, and in an exported file, they are the words of
Philox 4x32-10 with

    key     = the two 32-bit words of the seed, low word first
    counter = (block index, batch, tag, sample), 32 bits each
    tag     = place << 16 | draw
    place   = number of noise sources that were called before in the same run of the model

Rows of one batch follow each other in the block index. A word is one number of 32 bits, its upper
23 bits are one uniform float, and its halves, the low one first, are two decisions of 16 bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.noise.stream import Stream, in_unit_interval, upper_23
from keras_dropouts.types import Tensor

_LAST_PLACE = 0xFFFF
_state = threading.local()


def key_of(seed: int) -> np.ndarray:
    """Return the key of a seed: its two 32-bit words, the low one first, as int32."""
    return np.array([seed], "<i8").view("<i4").astype("int32")


class Sampler:
    """Draws for a number of samples at once, which are rows of one batch: all rows of a sample,
    then all of the next.

    Args:
        key: int32 tensor of shape (2,); see `key_of`.
        samples: int32 tensor of shape (n,): the numbers of the samples, n known.
        rows: Rows of one sample, an int or a scalar tensor.
        batch: int32 scalar tensor: the number of the batch in the data.
        fixed_masks: Whether all rows of a sample share their masks.
    """

    def __init__(
        self, key: Tensor, samples: Tensor, rows: Any, batch: Tensor, fixed_masks: bool = False
    ) -> None:
        self.key = key
        self.samples = samples
        self.rows = rows
        self.batch = batch
        self.fixed_masks = fixed_masks
        self.place = 0
        self.off_rows = False  # whether it is also drawn for what has no rows; of one sample alone

    @property
    def count(self) -> int:
        """The number of samples."""
        return int(self.samples.shape[0])

    def one(self, index: int, off_rows: bool = False) -> Sampler:
        """Return a sampler for one of the samples, which draws next what this one would."""
        sampler = self.of(self.samples[index : index + 1])
        sampler.place, sampler.off_rows = self.place, off_rows
        return sampler

    def of(self, samples: Tensor) -> Sampler:
        """Return a sampler like this one for other samples."""
        return type(self)(self.key, samples, self.rows, self.batch, self.fixed_masks)

    def next_stream(self, by_row: bool = True) -> SampleStream:
        """Return the stream of the next noise source that is called.

        by_row: whether the first axis of what it draws is the batch.
        """
        place, self.place = self.place, self.place + 1
        if place > _LAST_PLACE:  # it would share its numbers with another
            raise ValueError(
                f"Monte-Carlo sampling has streams for {_LAST_PLACE + 1} noise sources."
            )
        return SampleStream(self, place, by_row)

    def draw(self, tag: int, count: Any, width: int) -> Tensor:
        """Return integers of `width` bits (16, 23 or 32), of shape (number of samples, count).

        A sample's numbers do not depend on which others are drawn beside it.
        """
        numbers = 16 if width == 16 else 32
        words = backends.sample_bits(self.key, self.samples, self.batch, tag, count, numbers)
        return upper_23(words) if width == 23 else words


class SampleStream(Stream):
    """The stream of one noise source in all samples of a sampler.

    Shapes are those of all samples' rows. A first dimension of 1 is one draw for all rows of a
    sample.
    """

    def __init__(self, sampler: Sampler, place: int, by_row: bool) -> None:
        self.sampler = sampler
        self.place = place
        self.by_row = by_row
        self.step = None

    @property
    def for_training(self) -> bool:
        return False

    def bits(self, shape: tuple[Any, ...], width: int = 16, draw: int = 0) -> Tensor:
        count, arranged = self._layout(shape)
        return arranged(self.sampler.draw(self.place << 16 | draw, count, width))

    def uniform(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        count, arranged = self._layout(shape)
        integers = arranged(self.sampler.draw(self.place << 16 | draw, count, 23))
        return in_unit_interval(integers)

    def fraction(self) -> Tensor:
        # Samples are no steps over which a rounded rate could even out: round to the nearest.
        return ops.convert_to_tensor(0.5, "float32")

    def _layout(self, shape: tuple[Any, ...]) -> tuple[Any, Callable[[Tensor], Tensor]]:
        """Return how many numbers a sample takes, and what gives all of them their shape."""
        sampler, lead, rest = self.sampler, shape[0], tuple(shape[1:])
        if not self.by_row or self._has_no_rows(lead):
            return _product(shape), lambda numbers: ops.reshape(numbers, shape)
        shared = isinstance(lead, int) and lead == 1
        if not (shared or sampler.fixed_masks):
            count = _product((lead // sampler.count, *rest))
            return count, lambda numbers: ops.reshape(numbers, shape)
        rows = sampler.rows if shared else lead // sampler.count

        def for_each_row(numbers: Tensor) -> Tensor:
            numbers = ops.reshape(numbers, (sampler.count, 1, *rest))
            wide = ops.broadcast_to(numbers, (sampler.count, rows, *rest))
            return ops.reshape(wide, (sampler.count * rows, *rest))

        return _product(rest), for_each_row

    def _has_no_rows(self, lead: Any) -> bool:
        """Return whether `lead` counts something else than rows, such as the nodes of a graph."""
        sampler = self.sampler
        return sampler.off_rows and isinstance(lead, int) and lead != _known(sampler.rows)


def _known(size: Any) -> int | None:
    return size if isinstance(size, int) else None


def _product(sizes: tuple[Any, ...]) -> Any:
    """Return an int, or an int64 scalar where a size is a tensor: int32 might overflow."""
    product: Any = 1
    for size in sizes:
        product = product * (size if isinstance(size, int) else ops.cast(size, "int64"))
    return product


@contextmanager
def activate(sampler: Sampler) -> Iterator[Sampler]:
    """Make every dropout that is called in this thread draw from `sampler`."""
    before = active()
    _state.sampler = sampler
    try:
        yield sampler
    finally:
        _state.sampler = before


def active() -> Sampler | None:
    """Return the sampler that dropout draws from, None outside Monte-Carlo sampling."""
    return getattr(_state, "sampler", None)
