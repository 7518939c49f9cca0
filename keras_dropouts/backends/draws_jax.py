"""Draws random words and decisions on JAX, by Philox 4x32-10 in plain operations.

JAX has no such generator (Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as easy as
1, 2, 3"); the words are those that TensorFlow's own kernel gives for a key and a counter. JAX's
threefry draws 64 bits for each number, however few of them are asked for.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from keras_dropouts.backends.jax import computed_once
from keras_dropouts.backends.xla_on_cpu_jax import decided_on_cpu
from keras_dropouts.types import Tensor

_RUN = 32  # decisions that share the lower 16 of their 24 bits
_OWN_FROM = 2**17  # decisions; what XLA takes longer to compile pays from here on
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
# Two rounds a pass of the loop was the fastest on a CPU. Unrolled as a whole it is 20 times
# slower: XLA then computes the ten rounds again for each of the four words.
_UNROLLED = 2


def words(key: Tensor, step: Tensor, tag: int, shape: tuple[int, ...]) -> Tensor:
    """Return words, uint32, for one call of a layer.

    key: int32 of shape (2,); step: int32 scalar; tag: 32 bits that tell this draw from others.
    """
    return _words(*_start(key, step, tag), math.prod(shape)).reshape(shape)


def decisions(
    key: Tensor,
    step: Tensor,
    tag: int,
    shape: tuple[int, ...],
    threshold: Tensor,
    reused: bool = False,
) -> Tensor:
    """Return booleans of `shape`: whether a decision of 24 bits is at least `threshold`.

    threshold: int32 scalar from 0 to 2**24 - 1; reused: whether an element is used several times,
    see `computed_once`; the others as for `words`. noise/stream.py says which bits a decision has.
    """
    if reused:
        compute = functools.partial(decisions, key, step, tag, shape, threshold)
        return computed_once(compute, shape, step)
    count = math.prod(shape)
    start = _start(key, step, tag)
    if not isinstance(count, int) or count < _OWN_FROM:
        return _decisions(*start, jnp.asarray(threshold, jnp.int32), count=count).reshape(shape)
    flat = jax.lax.platform_dependent(
        *start,
        jnp.asarray(threshold, jnp.int32),
        cpu=functools.partial(decided_on_cpu, count=count),
        default=functools.partial(_decisions, count=count),
    )
    return flat.reshape(shape)


def sample_words(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: int
) -> Tensor:
    """Return words, uint32, of shape (rows, samples, count).

    seeds: int32 of shape (rows, 2); first: int32 scalar, the number of the first sample; key: two
    words of 32 bits. noise/sampler.py says which words they are.
    """
    return _of_samples(seeds, first, samples, key, count)[:, :, :count]


def sample_decisions(
    seeds: Tensor,
    first: Tensor,
    samples: int,
    key: tuple[int, int],
    count: int,
    threshold: Tensor,
) -> Tensor:
    """Return booleans of shape (rows, samples, count): which decisions are at least `threshold`.

    threshold: int32 scalar from 0 to 2**24 - 1; the others as for `sample_words`.
    """
    own, shared, _ = _parts(count)
    drawn = _of_samples(seeds, first, samples, key, own + shared)
    return _decided(drawn, count, jnp.asarray(threshold, jnp.int32))


def _start(key: Tensor, step: Tensor, tag: int) -> tuple[Tensor, Tensor]:
    """Return a key and the two upper words of a counter, int32 of shape (2,) each."""
    signed = tag - 2**32 if tag >= 2**31 else tag
    upper = jnp.stack([jnp.asarray(signed, jnp.int32), jnp.asarray(step, jnp.int32)])
    return jnp.asarray(key, jnp.int32), upper


def _parts(count: int) -> tuple[int, int, int]:
    """Return how many words the decisions' own and their shared bits take, and the runs."""
    runs = (count + _RUN - 1) // _RUN
    return (count + 3) // 4, (runs + 1) // 2, runs


def _decided(drawn: Tensor, count: int, threshold: Tensor) -> Tensor:
    """Return which of `count` decisions are at least `threshold`, from words along the last axis.

    A byte that is compared with a threshold of its run is all that an element costs.
    """
    own, shared, runs = _parts(count)
    lead = drawn.shape[:-1]
    halves = _split(drawn[..., own : own + shared], 16)[..., :runs]
    low = (threshold & 0xFFFF).astype(jnp.uint32)
    below = (threshold >> 16).astype(jnp.uint32) + (halves < low)
    bytes_ = _split(drawn[..., :own], 8)
    missing = runs * _RUN - 4 * own
    if not isinstance(missing, int):  # JAX cannot tell that a symbolic size is not below zero
        spread = jnp.repeat(below, _RUN, axis=-1, total_repeat_length=runs * _RUN)
        return bytes_[..., :count] >= spread[..., :count]
    if missing:
        bytes_ = jnp.pad(bytes_, [(0, 0)] * len(lead) + [(0, missing)])
    keep = bytes_.reshape(*lead, runs, _RUN) >= below[..., None]
    return keep.reshape(*lead, runs * _RUN)[..., :count]


def _split(drawn: Tensor, width: int) -> Tensor:
    """Return the numbers of `width` bits in words, the lowest first, along the last axis."""
    places = np.arange(0, 32, width, dtype="uint32")
    parts = drawn[..., None] >> places & np.uint32(2**width - 1)
    return parts.reshape(*drawn.shape[:-1], -1)


@functools.partial(jax.jit, static_argnums=2)
def _words(key: Tensor, upper: Tensor, count: int) -> Tensor:
    """Return `count` words, uint32, of the first blocks on; four words a block."""
    low, high = _block_indices(-(-count // 4))
    start = (low, high, *(jnp.broadcast_to(word, low.shape) for word in _unsigned(upper)))
    return _philox(_unsigned(key), start).reshape(-1)[:count]


@functools.partial(jax.jit, static_argnames="count")
def _decisions(key: Tensor, upper: Tensor, threshold: Tensor, *, count: int) -> Tensor:
    own, shared, _ = _parts(count)
    return _decided(_words(key, upper, own + shared), count, threshold)


def _of_samples(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: int
) -> Tensor:
    """Return the blocks that hold `count` words, (rows, samples, words)."""
    blocks = -(-count // 4)
    low, high = _block_indices(samples * blocks)
    more, start = _product(_unsigned(first), blocks)
    low = low + start
    high = high + more + (low < start)  # the carry
    seed_low, seed_high = (_unsigned(word)[:, None] for word in (seeds[:, 0], seeds[:, 1]))
    counter = jnp.broadcast_arrays(low, high, seed_low, seed_high)
    drawn = _philox(jnp.asarray(key, jnp.uint32), tuple(counter))
    return drawn.reshape(seeds.shape[0], samples, 4 * blocks)


def _philox(key: Tensor, counter: tuple[Tensor, ...]) -> Tensor:
    """Return the words of each block, uint32, four along a last axis.

    key: uint32 of shape (2,); counter: four words, uint32 of one shape.
    """

    def rounds(index: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        for offset in range(_UNROLLED):
            done = (index * _UNROLLED + offset).astype(jnp.uint32)
            keys = [
                word + done * np.uint32(step) for word, step in zip(key, _KEY_STEPS, strict=True)
            ]
            high0, low0 = _product(state[0], _MULTIPLIERS[0])
            high1, low1 = _product(state[2], _MULTIPLIERS[1])
            state = (high1 ^ state[1] ^ keys[0], low1, high0 ^ state[3] ^ keys[1], low0)
        return state

    return jnp.stack(jax.lax.fori_loop(0, _ROUNDS // _UNROLLED, rounds, counter), axis=-1)


def _unsigned(words: Tensor) -> Tensor:
    """Return the bits of integers of 32 as those of unsigned ones."""
    return jax.lax.bitcast_convert_type(jnp.asarray(words, jnp.int32), jnp.uint32)


def _block_indices(blocks: int, lows: int = 2**32) -> tuple[Tensor, Tensor]:
    """Return the low and the high word, uint32, of 0 .. blocks - 1; a low word has `lows` values.

    JAX has no integers of 64 bits by default.
    """
    if not isinstance(blocks, int):  # a size that is not known yet; nothing is computed with it
        low = jax.lax.iota(jnp.uint32, blocks)
        return low, jnp.zeros_like(low)
    shape = -(-blocks // lows), min(blocks, lows)
    words = (jax.lax.broadcasted_iota(jnp.uint32, shape, axis).reshape(-1) for axis in (1, 0))
    low, high = (jax.lax.slice(word, (0,), (blocks,)) for word in words)
    return low, high


def _product(words: Tensor, constant: int) -> tuple[Tensor, Tensor]:
    """Return the high and the low word of a product, as JAX multiplies 32 bits by default."""
    high, low = np.uint32(constant >> 16), np.uint32(constant & 0xFFFF)
    upper, lower = words >> 16, words & 0xFFFF
    middle = upper * low + (lower * low >> 16)
    other = lower * high + (middle & 0xFFFF)
    return upper * high + (middle >> 16) + (other >> 16), words * np.uint32(constant)
