"""Helps XLA to fast code for a CPU on TensorFlow: what it would compute again, it computes once."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_dropouts.backends.calls_tensorflow import is_compiled_by_xla
from keras_dropouts.types import Tensor

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))  # of Philox 4x32-10
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_UPPER = np.uint64(32)


def compiles_for_cpu() -> bool:
    """Return whether XLA compiles what is traced now for a machine with a CPU alone."""
    if not is_compiled_by_xla():
        return False
    return not any(tf.config.list_logical_devices(each) for each in ("GPU", "TPU"))


def decided_on_cpu(
    key: Tensor, upper: Tensor, own: Any, shared: Any, runs: Any, threshold: Tensor
) -> Tensor:
    """Return which decisions are at least `threshold`, boolean with 32 elements for each run.

    key, upper: int32 of shape (2,), the key and the two upper words of the counter; own, shared:
    how many words the decisions' own and their shared bits take; threshold: int32 scalar from 0
    to 2**24 - 1.
    """
    blocks = _blocks(key, upper, tf.maximum((own + shared + 3) // 4, 2 * runs))

    def below() -> Tensor:
        rest = blocks[own // 4 :]
        halves = _split(tf.stack([_pair(tf.math.real, rest), _pair(tf.math.imag, rest)], 1), 16)
        shared = tf.cast(tf.reshape(halves, [-1])[2 * (own % 4) :][:runs], tf.int32)
        low = tf.bitwise.bitwise_and(threshold, 0xFFFF)
        return tf.bitwise.right_shift(threshold, 16) + tf.cast(shared < low, tf.int32)

    limits = tf.cond(always(threshold), below, lambda: tf.zeros([runs], tf.int32))
    blocks = tf.reshape(blocks[: 2 * runs], [-1, 2, 1])
    first = np.array([True, False])
    pairs = tf.where(first, _pair(tf.math.real, blocks), _pair(tf.math.imag, blocks))
    bytes_ = tf.cast(_split(pairs, 8), tf.int32)
    return bytes_ >= limits[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _blocks(key: Tensor, upper: Tensor, blocks: Any) -> Tensor:
    """Return the first blocks of Philox as complex numbers, complex128, by plain operations.

    A complex number is the largest that XLA has, and holds the 128 bits of a block; so a block is
    computed once, and not for each of its words. It is computed in a branch of a condition that
    always holds, or XLA would compute it again for each number that is made of it. Words are the
    lower halves of integers of 64 bits, and what is in the upper halves does not count.
    """
    keys = tf.cast(tf.bitcast(key, tf.uint32), tf.uint64)
    tagged = tf.unstack(tf.cast(tf.bitcast(upper, tf.uint32), tf.uint64))

    def drawn() -> Tensor:
        index = tf.cast(tf.range(tf.cast(blocks, tf.int64)), tf.uint64)
        a, b = index & _LOW, tf.bitwise.right_shift(index, _UPPER)
        c, d = (tf.zeros_like(a) + word for word in tagged)
        for i in range(_ROUNDS):
            first, second = (
                (keys[j] + np.uint64(i * step)) & _LOW for j, step in enumerate(_KEY_STEPS)
            )
            left, right = (a & _LOW) * _MULTIPLIERS[0], (c & _LOW) * _MULTIPLIERS[1]
            a, b = tf.bitwise.right_shift(right, _UPPER) ^ b ^ first, right
            c, d = tf.bitwise.right_shift(left, _UPPER) ^ d ^ second, left
        halves = (tf.bitwise.left_shift(y, _UPPER) | (x & _LOW) for x, y in ((a, b), (c, d)))
        return tf.complex(*(tf.bitcast(half, tf.float64) for half in halves))

    return tf.cond(always(upper), drawn, lambda: tf.zeros([blocks], tf.complex128))


def _pair(part: Any, blocks: Tensor) -> Tensor:
    return tf.bitcast(part(blocks), tf.uint64)


def _split(pairs: Tensor, width: int) -> Tensor:
    """Return the numbers of `width` bits in words of 64, the lowest first, along a new axis."""
    places = np.arange(0, 64, width, dtype="uint64")
    return tf.bitwise.right_shift(pairs[..., tf.newaxis], places) & np.uint64(2**width - 1)


def always(numbers: Tensor) -> Tensor:
    """Return a condition that holds for any int32 numbers, which no compiler knows."""
    return tf.reduce_max(tf.bitwise.bitwise_and(numbers, 0x7FFFFFFF)) >= 0
