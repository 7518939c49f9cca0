"""Helps XLA to fast code for a CPU on JAX: what it would compute again, it computes once."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keras_dropouts.types import Tensor

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # of Philox 4x32-10
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_UPPER = np.uint64(32)


@functools.partial(jax.jit, static_argnames="count")
def decided_on_cpu(key: Tensor, upper: Tensor, threshold: Tensor, *, count: int) -> Tensor:
    """Return which of `count` decisions are at least `threshold`, boolean of shape (count,).

    key, upper: int32 of shape (2,), the key and the two upper words of the counter; threshold:
    int32 scalar from 0 to 2**24 - 1.
    """
    runs = -(-count // 32)
    own, shared = (count + 3) // 4, (runs + 1) // 2  # how many words they take
    with _wide():
        blocks = _blocks(key, upper, max((own + shared + 3) // 4, 2 * runs))

        def below() -> Tensor:
            rest = blocks[own // 4 :]
            pairs = jnp.stack([_pair(jnp.real(rest)), _pair(jnp.imag(rest))], axis=1)
            halves = _split(pairs, 16).reshape(-1)[2 * (own % 4) :][:runs]
            more = halves.astype(jnp.int32) < (threshold & 0xFFFF)
            return (threshold >> 16) + more.astype(jnp.int32)

        limits = jax.lax.cond(always(upper), below, lambda: jnp.zeros(runs, jnp.int32))
        owned = blocks[: 2 * runs].reshape(runs, 2, 1)
        pairs = jnp.where(np.array([True, False]), _pair(jnp.real(owned)), _pair(jnp.imag(owned)))
        bytes_ = _split(pairs, 8).astype(jnp.int32)
        return (bytes_ >= limits[:, None, None, None]).reshape(-1)[:count]


def _blocks(key: Tensor, upper: Tensor, count: int) -> Tensor:
    """Return the first blocks of Philox as complex numbers, complex128.

    A complex number is the largest that XLA has, and holds the 128 bits of a block; so a block is
    computed once, and not for each of its words. It is computed in a branch of a condition that
    always holds, or XLA would compute it again for each number that is made of it. Words are the
    lower halves of integers of 64 bits, and what is in the upper halves does not count.
    """
    keys, tagged = (jax.lax.bitcast_convert_type(x, jnp.uint32) for x in (key, upper))

    def drawn() -> Tensor:
        index = jax.lax.iota(jnp.uint64, count)
        a, b = index & _LOW, index >> _UPPER
        c, d = (jnp.broadcast_to(word, index.shape) for word in tagged.astype(jnp.uint64))
        for i in range(_ROUNDS):
            steps = (np.uint32(i * step & 0xFFFFFFFF) for step in _KEY_STEPS)
            first, second = (
                (word + step).astype(jnp.uint64) for word, step in zip(keys, steps, strict=True)
            )
            left, right = (
                (a & _LOW) * np.uint64(_MULTIPLIERS[0]),
                (c & _LOW) * np.uint64(_MULTIPLIERS[1]),
            )
            a, b = right >> _UPPER ^ b ^ first, right
            c, d = left >> _UPPER ^ d ^ second, left
        halves = (y << _UPPER | x & _LOW for x, y in ((a, b), (c, d)))
        return jax.lax.complex(
            *(jax.lax.bitcast_convert_type(half, jnp.float64) for half in halves)
        )

    return jax.lax.cond(always(upper), drawn, lambda: jnp.zeros(count, jnp.complex128))


def _pair(part: Tensor) -> Tensor:
    return jax.lax.bitcast_convert_type(part, jnp.uint64)


def _split(pairs: Tensor, width: int) -> Tensor:
    """Return the numbers of `width` bits in words of 64, the lowest first, along a new axis."""
    places = np.arange(0, 64, width, dtype="uint64")
    return pairs[..., None] >> places & np.uint64(2**width - 1)


def always(numbers: Tensor) -> Tensor:
    """Return a condition that holds for any int32 numbers, which no compiler knows."""
    return jnp.max(numbers & 0x7FFFFFFF) >= 0


def _wide() -> AbstractContextManager[Any]:
    """Let JAX have integers of 64 bits inside this block, which it does not by default."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # until JAX 0.8

    return enable_x64()
