"""Defines what a layer draws random numbers from, and the stream that it draws from in training.

Every number is a function of a key, the layer's step, the number of the call in that step, the
layer's place in its model and the index of the number within one call. On TensorFlow it is Philox
4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"), whose words any
program can compute again:

    key     = the two 32-bit words of the layer's key, the number of the call added to the second
    counter = (block index: 64 bits, tag: 32 bits, step: 32 bits)
    tag     = place << 16 | replica << 4 | draw

A decision to drop compares a number of 24 bits with the rate. Its upper 8 bits are its own; the
lower 16 it shares with the other decisions of its run, which are 32 neighbours in the order of the
flattened mask. So a decision costs 8.5 random bits, and its probability is right to 2**-24. Two
decisions of a run are correlated by at most (1 / 512)**2 / (rate * (1 - rate)), which is 4e-5 at a
rate of 0.1; at rates far below 1/256 the number of drops in a step varies by 1 + 31 / 256 = 1.12
times what independent drops would. The words of a mask of n decisions hold n bytes, the low byte
of a word first, and from the next whole word on the shared numbers of 16 bits, one for each run,
the low half of a word first.

JAX draws the same words, so the same key gives the same dropout mask as on TensorFlow. PyTorch
draws with its own generator, seeded from the same values: reproducible, but other numbers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.types import Tensor

_GOLDEN = 0x9E3779  # 2**24 / golden ratio: multiples of it spread evenly over 24 bits


class Stream(Protocol):
    """What a layer draws random numbers from in one call.

    A shape is a tuple of ints and scalar tensors; `draw` (0 to 15) tells apart several draws of
    one call.
    """

    @property
    def for_training(self) -> bool:
        """Whether this is a training call: a backward pass may follow."""

    # The training step that the call belongs to, an int32 scalar tensor; None where there is none.
    step: Any

    def keep(
        self, shape: tuple[Any, ...], rate: Tensor, draw: int = 0, reused: bool = False
    ) -> Tensor:
        """Return booleans of the given shape, each False with probability `rate`.

        rate: float32 scalar. At rate 0 all are True. At rate 1 one in 2**24 is, and whoever asks
        sees to it that nothing gets through there. reused: whether an element is used several
        times; no compiler then draws it again for each.
        """

    def uniform(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        """Return float32 numbers, uniform over the open interval (0, 1) in steps of 2**-23."""

    def normal(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        """Return float32 numbers from the standard normal distribution, by Box and Muller (1958).

        They come from the uniform numbers of `draw` and of the draw after it.
        """
        radius = ops.sqrt(-2.0 * ops.log(self.uniform(shape, draw)))
        return radius * ops.cos(2.0 * math.pi * self.uniform(shape, draw + 1))

    def once(self, compute: Callable[[], Tensor], shape: tuple[Any, ...]) -> Tensor:
        """Return the booleans of a shape that a function returns.

        A compiler computes them once, and not again for each use of an element.
        """

    def again(self, draw: Callable[[Any], Tensor]) -> Callable[[Tensor], Tensor] | None:
        """Return a function that draws the same once more in the backward pass, None without one.

        draw: takes a stream. The function takes an int32 zero that only the backward pass can
        compute: so no compiler makes one draw, which would be kept, of the two.
        """


@dataclass(frozen=True)
class TrainingStream(Stream):
    """The stream of one call of a layer in training.

    key: int32 tensor of shape (2,); step: int32 scalar tensor; place: the layer's place in the
    model that runs, 0 to 65535, which keeps apart two layers that have the same key; number: that
    of the call among those that the layer makes in one step, an int or an int32 scalar tensor.
    """

    key: Tensor
    step: Tensor
    place: int
    number: Any = 0

    @property
    def for_training(self) -> bool:
        return True

    def keep(
        self, shape: tuple[Any, ...], rate: Tensor, draw: int = 0, reused: bool = False
    ) -> Tensor:
        below = threshold(rate, self.fraction())
        tag = self._tag(draw)
        return backends.decisions(self._call_key(), self.step, tag, shape, below, reused)

    def uniform(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        words = backends.words(self._call_key(), self.step, self._tag(draw), shape)
        return in_unit_interval(upper_23(words))

    def once(self, compute: Callable[[], Tensor], shape: tuple[Any, ...]) -> Tensor:
        return backends.computed_once(compute, shape, self.step)

    def again(self, draw: Callable[[Any], Tensor]) -> Callable[[Tensor], Tensor] | None:
        return lambda zero: draw(replace(self, key=self.key + zero))

    def fraction(self) -> Tensor:
        """Return a float32 scalar in [0, 1) that is spread evenly over the steps of one layer."""
        # A golden-ratio sequence: over n steps its mean is within 3 / n of one half, and it costs
        # a multiplication.
        step = self.step if self._is_first() else self.step + self.number
        mixed = step * _GOLDEN + self.key[0]
        return ops.cast(ops.bitwise_and(mixed, 0xFFFFFF), "float32") * 2.0**-24

    def _call_key(self) -> Tensor:
        if self._is_first():
            return self.key
        return self.key + ops.stack([ops.cast(word, "int32") for word in (0, self.number)])

    def _is_first(self) -> bool:
        """Return whether the call is the first of its step, as most are."""
        return isinstance(self.number, int) and self.number == 0

    def _tag(self, draw: int) -> int:
        return (self.place & 0xFFFF) << 16 | draw


def threshold(rate: Tensor, fraction: Tensor | float) -> Tensor:
    """Return the number below which a decision of 24 bits is to drop, an int32 scalar.

    It is floor(rate * 2**24 + fraction), but at most 2**24 - 1. With a `fraction` that is uniform
    over [0, 1) from step to step, the mean over the steps is `rate` itself to float32's precision.
    """
    return ops.cast(ops.minimum(rate * 2.0**24 + fraction, 2.0**24 - 1.0), "int32")


def new_key(seed: int | None) -> np.ndarray:
    """Return a key, int32 of shape (2,): the same for the same seed, a fresh one for None.

    Fresh keys come from Python's `random`, which `keras.utils.set_random_seed` seeds.
    """
    if seed is None:
        seed = random.getrandbits(63)
    words = np.random.SeedSequence(seed).generate_state(2, np.uint32)
    return words.view(np.int32)


def upper_23(words: Tensor) -> Tensor:
    """Return the upper 23 bits of integers of 32."""
    shifted = ops.right_shift(words, ops.cast(9, words.dtype))
    # A shift to the right copies the sign of a number that has one.
    signed = keras.backend.standardize_dtype(words.dtype) == "int32"
    return ops.bitwise_and(shifted, 0x7FFFFF) if signed else shifted


def in_unit_interval(integers: Tensor) -> Tensor:
    """Return the float32 numbers of (0, 1) that integers of 23 bits stand for."""
    return (ops.cast(integers, "float32") + 0.5) * 2.0**-23
