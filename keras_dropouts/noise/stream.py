"""Defines what a layer draws random numbers from, and the stream that it draws from in training.

Every number is a function of a key, the layer's step, the number of the call in that step, the
layer's place in its model and the index of the number within one call. On TensorFlow it is Philox
4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"), whose words any
program can compute again:

    key     = the two 32-bit words of the layer's key, the number of the call added to the second
    counter = (block index: 64 bits, tag: 32 bits, step: 32 bits)
    tag     = place << 16 | replica << 4 | draw

A word is one number of 32 bits; its halves, the low one first, are two numbers of 16 bits.

JAX draws the same words, so the same key gives the same dropout mask as on TensorFlow. PyTorch
draws with its own generator, seeded from the same values: reproducible, but other numbers.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
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

    def bits(self, shape: tuple[Any, ...], width: int = 16, draw: int = 0) -> Tensor:
        """Return independent integers, uniform over 0 .. 2**width - 1, of the given shape.

        `width` is 16 or 32. The dtype is uint16 or uint32; on PyTorch, which compares none of
        these, it is int16 or int32, and the range begins at -2**(width - 1).
        """

    def uniform(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        """Return float32 numbers, uniform over the open interval (0, 1) in steps of 2**-23."""

    def normal(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        """Return float32 numbers from the standard normal distribution, by Box and Muller (1958).

        They come from the uniform numbers of `draw` and of the draw after it.
        """
        radius = ops.sqrt(-2.0 * ops.log(self.uniform(shape, draw)))
        return radius * ops.cos(2.0 * math.pi * self.uniform(shape, draw + 1))

    def fraction(self) -> Tensor:
        """Return a float32 scalar in [0, 1) that is spread evenly over the steps of one layer."""


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

    def __post_init__(self) -> None:
        if not (isinstance(self.number, int) and self.number == 0):  # most calls are the first
            words = ops.stack([ops.cast(word, "int32") for word in (0, self.number)])
            object.__setattr__(self, "key", self.key + words)

    @property
    def for_training(self) -> bool:
        return True

    def bits(self, shape: tuple[Any, ...], width: int = 16, draw: int = 0) -> Tensor:
        tag = (self.place & 0xFFFF) << 16 | draw
        return backends.bits(self.key, self.step, tag, shape, width)

    def uniform(self, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
        tag = (self.place & 0xFFFF) << 16 | draw
        return in_unit_interval(upper_23(backends.bits(self.key, self.step, tag, shape, 32)))

    def fraction(self) -> Tensor:
        # A golden-ratio sequence: over n steps its mean is within 3 / n of one half, and it costs
        # a multiplication.
        mixed = (self.step + self.number) * _GOLDEN + self.key[0]
        return ops.cast(ops.bitwise_and(mixed, 0xFFFFFF), "float32") * 2.0**-24


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
