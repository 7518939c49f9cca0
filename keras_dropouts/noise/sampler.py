"""Draws the random numbers of Monte-Carlo samples, for layers that run while it is active.

The numbers of a row are a function of its own seed, the sample, the place of the noise source in
the model and the index within the row: nothing of what stands beside it in a batch. They are the
words of Philox 4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") with

    key     = (draw, place), 32 bits each
    counter = (block index, seed of the row), 64 bits each, low words first
    block index = number of the sample * blocks of a sample + block
    place   = number of noise sources that were called before in the same run of the model
    draw    = number of the draw among those of one call

A block is 128 bits, and each sample of a row takes whole blocks. The upper 23 bits of a word are
one uniform float. Decisions lie in the words of a sample of a row as noise/stream.py has it for
one call in training; a rate is rounded to the nearest 2**-24, as samples are no steps over which
it could even out. The words are the same on every backend and in an exported file.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.noise.stream import Stream, in_unit_interval, threshold, upper_23
from keras_dropouts.types import Tensor

_state = threading.local()


def words_of(seeds: np.ndarray) -> np.ndarray:
    """Return the two 32-bit words of each int64 seed, the low one first: int32, (rows, 2)."""
    return seeds.astype("<i8").view("<i4").astype("int32").reshape(-1, 2)


class Sampler:
    """Draws for a number of samples of each row at once, which follow each other in one batch: all
    samples of a row, then all of the next.

    Args:
        seeds: int32 tensor of shape (rows, 2), the words of the rows' seeds; see `words_of`.
        first: int32 scalar tensor: the number of the first sample.
        count: How many samples, an int.
        fixed_masks: Whether all rows share the masks that the seed of the first one gives.
    """

    def __init__(self, seeds: Tensor, first: Tensor, count: int, fixed_masks: bool = False) -> None:
        self.seeds = seeds
        self.first = first
        self.count = count
        self.fixed_masks = fixed_masks
        self.place = 0
        self.off_rows = False  # whether it is also drawn for what has no rows; of one sample alone

    @property
    def rows(self) -> Any:
        """The number of rows: an int, or a scalar tensor."""
        return ops.shape(self.seeds)[0]

    @property
    def first_seed(self) -> Tensor:
        """The seed of the first row, of shape (1, ...); zero in an empty batch."""
        if isinstance(self.rows, int):
            return self.seeds[:1]
        return ops.pad(self.seeds, [(0, 1), *((0, 0) for _ in self.seeds.shape[1:])])[:1]

    def one(self, index: int, off_rows: bool = False) -> Sampler:
        """Return a sampler for one of the samples, which draws next what this one would."""
        sampler = self._like(self.seeds, self.first + index, 1)
        sampler.off_rows = off_rows
        return sampler

    def of_row(self, seed: Tensor) -> Sampler:
        """Return a sampler for one row with this seed, of shape (1, ...) as those of the rows."""
        return self._like(seed, self.first, self.count)

    def _like(self, seeds: Tensor, first: Tensor, count: int) -> Sampler:
        sampler = type(self)(seeds, first, count, self.fixed_masks)
        sampler.place = self.place
        return sampler

    def next_stream(self, by_row: bool = True) -> SampleStream:
        """Return the stream of the next noise source that is called.

        by_row: whether the first axis of what it draws is the batch.
        """
        place, self.place = self.place, self.place + 1
        return SampleStream(self, place, by_row)

    def numbers(self, seeds: Tensor, place: int, draw: int, count: Any) -> Tensor:
        """Return integers of 23 bits, of shape (rows, samples, count).

        Those of a row and sample do not depend on which others are drawn beside them.
        """
        key = draw, place
        return upper_23(backends.sample_words(seeds, self.first, self.count, key, count))

    def decisions(self, seeds: Tensor, place: int, draw: int, count: Any, below: Tensor) -> Tensor:
        """Return whether decisions are at least a threshold: (rows, samples, count)."""
        key = draw, place
        return backends.sample_decisions(seeds, self.first, self.count, key, count, below)


class SampleStream(Stream):
    """The stream of one noise source in all samples of a sampler.

    Shapes are those of all rows' samples. A first dimension of 1 is one draw for a whole batch in
    training; here each row has its own.
    """

    def __init__(self, sampler: Sampler, place: int, by_row: bool) -> None:
        self.sampler = sampler
        self.place = place
        self.by_row = by_row
        self.step = None

    @property
    def for_training(self) -> bool:
        return False

    def keep(
        self, shape: tuple[Any, ...], rate: Tensor, draw: int = 0, reused: bool = False
    ) -> Tensor:
        seeds, count, arranged = self._layout(shape)
        below = threshold(rate, 0.5)
        return arranged(self.sampler.decisions(seeds, self.place, draw, count, below))

    def uniform(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        seeds, count, arranged = self._layout(shape)
        return in_unit_interval(arranged(self.sampler.numbers(seeds, self.place, draw, count)))

    def once(self, compute: Callable[[], Tensor], shape: tuple[Any, ...]) -> Tensor:
        return compute()

    def again(self, draw: Callable[[Any], Tensor]) -> Callable[[Tensor], Tensor] | None:
        return None

    def _layout(self, shape: tuple[Any, ...]) -> tuple[Tensor, Any, Callable[[Tensor], Tensor]]:
        """Return the seeds to draw by, how many numbers a sample takes of each, and what gives all
        of them their shape.
        """
        sampler, lead, rest = self.sampler, shape[0], tuple(shape[1:])
        if not self.by_row or self._has_no_rows(lead):
            shaped = functools.partial(ops.reshape, newshape=shape)
            return sampler.first_seed, _product(shape), shaped
        if isinstance(lead, int) and lead == 1:  # one draw for all, which each row has for itself
            lead = sampler.rows * sampler.count if isinstance(sampler.rows, int) else -1
            each: Any = 1
        else:
            each = _divided(lead, sampler)  # what a sample of a row has of the first dimension
        shaped = functools.partial(ops.reshape, newshape=(lead, *rest))
        if not sampler.fixed_masks:
            return sampler.seeds, _product((each, *rest)), shaped

        def for_each_row(numbers: Tensor) -> Tensor:
            sizes = sampler.rows, *ops.shape(numbers)[1:]
            return shaped(ops.broadcast_to(numbers, sizes))

        return sampler.first_seed, _product((each, *rest)), for_each_row

    def _has_no_rows(self, lead: Any) -> bool:
        """Return whether `lead` counts something else than rows, such as the nodes of a graph."""
        sampler = self.sampler
        return sampler.off_rows and isinstance(lead, int) and lead != _known(sampler.rows)


def _divided(lead: Any, sampler: Sampler) -> Any:
    """Return how many of the first dimension each sample of a row has."""
    rows = sampler.rows
    if isinstance(rows, int):
        return lead // max(rows * sampler.count, 1)
    return lead // ops.maximum(rows * sampler.count, 1)  # a batch may be empty


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
