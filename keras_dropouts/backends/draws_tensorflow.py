"""Draws random words and decisions on TensorFlow, by its own kernel of Philox 4x32-10.

The counters are those that noise/stream.py and noise/sampler.py describe. Under XLA on a CPU the
words are computed by plain operations instead, which XLA makes into faster code than its own
generator.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dropouts.backends.tensorflow import computed_once
from keras_dropouts.backends.xla_on_cpu_tensorflow import compiles_for_cpu, decided_on_cpu
from keras_dropouts.types import Tensor

_RUN = 32  # decisions that share the lower 16 of their 24 bits
_HIGHEST = 255 << 16  # from this threshold on a run may drop even the byte 255
_OWN_FROM = 2**17  # decisions; what XLA takes longer to compile pays from here on

# Words of 64 bits: pairs of Philox's, the first one lower. XLA on the CPU makes these in less than
# a third of the time of as many bits in words of 32.
_philox = functools.partial(
    tf.raw_ops.StatelessRandomUniformFullIntV2,
    alg=1,  # Philox by name: XLA's default generator is many times slower on the CPU
    dtype=tf.uint64,
)


def words(key: Tensor, step: Tensor, tag: int, shape: tuple[Any, ...]) -> Tensor:
    """Return words, uint32, for one call of a layer.

    key: int32 of shape (2,); step: int32 scalar; tag: 32 bits that tell this draw from others;
    shape: ints or scalar tensors.
    """
    count = _count(shape)
    drawn = _pairs(key, _counter(tag, step), (count + 1) // 2)
    return tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint32), [-1])[:count], shape)


def decisions(
    key: Tensor,
    step: Tensor,
    tag: int,
    shape: tuple[Any, ...],
    threshold: Tensor,
    reused: bool = False,
) -> Tensor:
    """Return booleans of `shape`: whether a decision of 24 bits is at least `threshold`.

    threshold: int32 scalar from 0 to 2**24 - 1; reused: whether an element is used several times,
    see `computed_once`; the others as for `words`. noise/stream.py says which bits a decision has.
    """
    if reused and compiles_for_cpu():
        compute = functools.partial(decisions, key, step, tag, shape, threshold)
        return computed_once(compute, shape, step)
    count = _count(shape)
    own, shared, runs = _parts(count)
    counter = _counter(tag, step)
    if compiles_for_cpu() and _likely_size(shape) >= _OWN_FROM:
        keep = decided_on_cpu(key, counter, own, shared, runs, threshold)
    else:
        drawn = _pairs(key, counter, _largest((own + shared + 1) // 2, 4 * runs))
        bytes_ = tf.reshape(tf.bitcast(drawn[: 4 * runs], tf.uint8), [-1, _RUN])
        halves = tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[2 * own : 2 * own + runs]
        keep = _decided(bytes_, halves, threshold)
    flat = tf.reshape(keep, [-1])
    if not isinstance(count, int) or count % _RUN:
        flat = flat[:count]
    return tf.reshape(flat, shape)


def sample_words(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: Any
) -> Tensor:
    """Return words, uint32, of shape (rows, samples, count).

    seeds: int32 of shape (rows, 2); first: int32 scalar, the number of the first sample; key: two
    words of 32 bits; count: an int or an int64 scalar. noise/sampler.py says which words they are.
    """
    blocks = (count + 3) // 4
    drawn = tf.map_fn(
        *_row_draws(seeds, first, samples, key, blocks), fn_output_signature=tf.uint64
    )
    return _of_rows(drawn, seeds, samples, blocks, tf.uint32)[:, :, :count]


def sample_decisions(
    seeds: Tensor,
    first: Tensor,
    samples: int,
    key: tuple[int, int],
    count: Any,
    threshold: Tensor,
) -> Tensor:
    """Return booleans of shape (rows, samples, count): which decisions are at least `threshold`.

    threshold: int32 scalar from 0 to 2**24 - 1; the others as for `sample_words`.
    """
    own, shared, runs = _parts(count)
    blocks = (own + shared + 3) // 4
    drawn = tf.map_fn(
        *_row_draws(seeds, first, samples, key, blocks), fn_output_signature=tf.uint64
    )
    halves = _of_rows(drawn, seeds, samples, blocks, tf.uint16)
    rows, _, numbers = tf.unstack(tf.shape(halves, tf.int64))
    bytes_ = tf.reshape(tf.bitcast(halves, tf.uint8), _shape(rows, samples, 2 * numbers))
    bytes_ = bytes_[:, :, :count]
    if not isinstance(count, int) or count % _RUN:
        bytes_ = tf.pad(bytes_, [[0, 0], [0, 0], _shape(0, runs * _RUN - count)])
    bytes_ = tf.reshape(bytes_, _shape(rows, samples, runs, _RUN))
    keep = _decided(bytes_, halves[:, :, 2 * own : 2 * own + runs], threshold)
    return tf.reshape(keep, _shape(rows, samples, runs * _RUN))[:, :, :count]


def _shape(*sizes: Any) -> Tensor:
    return tf.stack([tf.cast(size, tf.int64) for size in sizes])


def _parts(count: Any) -> tuple[Any, Any, Any]:
    """Return how many words the decisions' own and their shared bits take, and the runs."""
    runs = (count + _RUN - 1) // _RUN
    return (count + 3) // 4, (runs + 1) // 2, runs


def _decided(own: Tensor, shared: Tensor, threshold: Tensor) -> Tensor:
    """Return which decisions are at least `threshold`.

    own: uint8, (..., 32), each decision's upper 8 bits; shared: uint16, (...), the lower 16 of all
    32. A byte that is compared with a threshold of its run is all that an element costs.
    """
    high = tf.cast(tf.bitwise.right_shift(threshold, 16), tf.uint8)
    low = tf.cast(tf.bitwise.bitwise_and(threshold, 0xFFFF), tf.uint16)
    more = tf.cast(shared < low, tf.uint8)

    def highest() -> tuple[Tensor, Tensor]:
        # Where a run drops all, its threshold would be 256: its bytes become 0 instead.
        return own * (1 - more)[..., tf.newaxis], tf.ones_like(more) * 255

    own, below = tf.cond(threshold >= _HIGHEST, highest, lambda: (own, high + more))
    return own >= below[..., tf.newaxis]


def _count(shape: tuple[Any, ...]) -> Any:
    """Return the number of elements of a shape: an int, or an int64 scalar where it is dynamic.

    TensorFlow has sizes in int32, whose product may be larger than int32 holds.
    """
    if all(isinstance(size, int) for size in shape):
        return math.prod(shape)
    return tf.reduce_prod(tf.stack([tf.cast(size, tf.int64) for size in shape]))


def _likely_size(shape: tuple[Any, ...]) -> int:
    """Return the number of elements, each size that is not known yet taken for 32."""
    return math.prod(size if isinstance(size, int) else 32 for size in shape)


def _largest(one: Any, other: Any) -> Any:
    return max(one, other) if isinstance(one, int) else tf.maximum(one, other)


def _counter(tag: int, step: Tensor) -> Tensor:
    """Return the two upper words of a counter of training, int32 of shape (2,)."""
    tagged = tf.constant(_signed(tag), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        tagged += tf.cast(context.replica_id_in_sync_group, tf.int32) * 16
    return tf.stack([tagged, tf.cast(step, tf.int32)])


def _pairs(key: Tensor, counter: Tensor, length: Any) -> Tensor:
    """Return so many pairs of words, uint64, of the first blocks on."""
    counter = tf.stack([np.zeros(2, "int32"), counter])
    key = tf.bitcast(tf.reshape(key, [1, 2]), tf.uint64)
    shape = tf.reshape(tf.cast(length, tf.int64), [1])
    return _philox(key=key, counter=tf.bitcast(counter, tf.uint64), shape=shape)


def _row_draws(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], blocks: Any
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return a function that draws the blocks of one row, uint64, and the seeds to map it over."""
    start = tf.cast(first, tf.int64) * blocks
    seeds = tf.bitcast(seeds, tf.int64)
    rows = tf.shape(seeds, tf.int64)[0]
    # What is mapped over no rows would have no shape, so a row is drawn for none.
    wanted = tf.cond(rows > 0, lambda: seeds, lambda: tf.zeros([1], tf.int64))
    length = tf.reshape(tf.cast(2 * samples * blocks, tf.int64), [1])
    schedule = tf.constant([key[0] | key[1] << 32], tf.uint64)

    def of_row(seed: Tensor) -> Tensor:
        counter = tf.bitcast(tf.stack([start, seed]), tf.uint64)
        return _philox(key=schedule, counter=counter, shape=length)

    return of_row, wanted


def _of_rows(drawn: Tensor, seeds: Tensor, samples: int, blocks: Any, dtype: tf.DType) -> Tensor:
    """Return the blocks of rows as numbers of `dtype`, (rows, samples, numbers)."""
    numbers = 16 // dtype.size * blocks
    return tf.reshape(tf.bitcast(drawn, dtype), [-1, samples, numbers])[: tf.shape(seeds)[0]]


def _signed(word: int) -> int:
    """Return the int32 that has the bits of an unsigned 32-bit word."""
    return word - 2**32 if word >= 2**31 else word
