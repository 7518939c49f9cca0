"""Random numbers as layers ask for them: from a key, a step and a place, at a width.

Every number drawn is a function of a key, the layer's step, the layer's place in its model and
the index of the draw within one call. On TensorFlow it is Philox 4x32-10 (Salmon et al., 2011,
"Parallel random numbers: as easy as 1, 2, 3"), whose words any program can compute again:

    key     = the two 32-bit words of the layer's key
    counter = (block index: 64 bits, tag: 32 bits, step: 32 bits)
    tag     = place << 16 | replica << 4 | draw

A word is one number of 32 bits; its halves, the low one first, are two numbers of 16 bits.

JAX draws the same words (philox.py), so the same key gives the same mask as on TensorFlow.
PyTorch draws with its own generator, seeded from the same values: reproducible, but other numbers.
"""

from __future__ import annotations

import math
import random as python_random
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_dropouts import generators

Tensor = Any  # Keras tensors have no common type across backends

_GOLDEN = 0x9E3779  # 2**24 / golden ratio: multiples of it spread evenly over 24 bits


class Stream(NamedTuple):
    """Where random numbers come from: one layer, at one step.

    key: int32 tensor of shape (2,); step: int32 scalar tensor; place: the layer's place in the
    model that runs, 0 to 65535, which keeps apart two layers that have the same key; sampler:
    what draws in place of the backend's generator, None but for Monte-Carlo samples.
    """

    key: Tensor
    step: Tensor
    place: int
    sampler: Any = None


def new_key(seed: int | None) -> np.ndarray:
    """Return a key, int32 of shape (2,): the same for the same seed, a fresh one for None.

    Fresh keys come from Python's `random`, which `keras.utils.set_random_seed` seeds.
    """
    if seed is None:
        seed = python_random.getrandbits(63)
    words = np.random.SeedSequence(seed).generate_state(2, np.uint32)
    return words.view(np.int32)


def bits(stream: Stream, shape: tuple[Any, ...], width: int = 16, draw: int = 0) -> Tensor:
    """Return independent integers, uniform over 0 .. 2**width - 1, of the given shape.

    `width` is 16 or 32; dimensions may be ints or scalar tensors; `draw` (0 to 15) tells apart
    several draws of one call. The dtype is uint16 or uint32; on PyTorch, which compares none of
    these, it is int16 or int32, and the range begins at -2**(width - 1).
    """
    if stream.sampler is not None:
        return stream.sampler.bits(shape, width, draw)
    tag = (stream.place & 0xFFFF) << 16 | draw
    return generators.bits(stream.key, stream.step, tag, shape, width)


def uniform(stream: Stream, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
    """Return float32 numbers, uniform over the open interval (0, 1) in steps of 2**-23."""
    if stream.sampler is not None:
        high = ops.cast(stream.sampler.bits(shape, 23, draw), "float32")
        return (high + 0.5) * 2.0**-23
    high = _upper_23(bits(stream, shape, 32, draw))
    return (ops.cast(high, "float32") + 0.5) * 2.0**-23


def _upper_23(words: Tensor) -> Tensor:
    """Return the upper 23 bits of 32."""
    shifted = ops.right_shift(words, ops.cast(9, words.dtype))
    # A shift to the right copies the sign of a number that has one.
    signed = keras.backend.standardize_dtype(words.dtype) == "int32"
    return ops.bitwise_and(shifted, 0x7FFFFF) if signed else shifted


def normal(stream: Stream, shape: tuple[Any, ...], draw: int = 0) -> Tensor:
    """Return float32 numbers from the standard normal distribution, by Box and Muller (1958).

    They come from the uniform numbers of `draw` and of the draw after it.
    """
    radius = ops.sqrt(-2.0 * ops.log(uniform(stream, shape, draw)))
    return radius * ops.cos(2.0 * math.pi * uniform(stream, shape, draw + 1))


def fraction(stream: Stream) -> Tensor:
    """Return a float32 scalar in [0, 1) that is spread evenly over the steps of one layer.

    A golden-ratio sequence: over n steps its mean is within 3 / n of one half, and it costs
    a multiplication. Monte-Carlo samples are no steps: for them it is one half, rounding.
    """
    if stream.sampler is not None:
        return ops.convert_to_tensor(0.5, "float32")
    mixed = stream.step * _GOLDEN + stream.key[0]
    return ops.cast(ops.bitwise_and(mixed, 0xFFFFFF), "float32") * 2.0**-24


def sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: Any, width: int
) -> Tensor:
    """Return `count` integers for each Monte-Carlo sample, of shape (number of samples, count).

    As `bits`, but on TensorFlow with counter = (block index: 32 bits, batch: 32 bits, tag, sample),
    so a sample's numbers do not depend on which others are drawn beside it.

    key: int32 of shape (2,); samples: int32 of shape (n,), n known; batch: int32 scalar; width:
    16, 23 or 32.
    """
    numbers = 16 if width == 16 else 32
    words = generators.sample_bits(key, samples, batch, tag, count, numbers)
    return _upper_23(words) if width == 23 else words
