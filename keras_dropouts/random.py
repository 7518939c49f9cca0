"""Keys and random bits: the only file that knows which backend runs.

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

import functools
import math
import random as python_random
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

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


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now.

    On TensorFlow a variable in a formula is read again at each use, an operation each time.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.convert_to_tensor(variable)
    import tensorflow as tf

    return tf.convert_to_tensor(variable.value)


def bits(stream: Stream, shape: tuple[Any, ...], width: int = 16, draw: int = 0) -> Tensor:
    """Return independent integers, uniform over 0 .. 2**width - 1, of the given shape.

    `width` is 16 or 32; dimensions may be ints or scalar tensors; `draw` (0 to 15) tells apart
    several draws of one call. The dtype is uint16 or uint32; on PyTorch, which compares none of
    these, it is int16 or int32, and the range begins at -2**(width - 1).
    """
    if stream.sampler is not None:
        return stream.sampler.bits(shape, width, draw)
    return _BITS[keras.backend.backend()](stream, shape, width, draw)


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
    draw = _SAMPLE_BITS[keras.backend.backend()]
    words = draw(key, samples, batch, tag, count, numbers)
    return _upper_23(words) if width == 23 else words


def _tensorflow_sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: Any, width: int
) -> Tensor:
    import tensorflow as tf

    tags = tf.fill(tf.shape(samples), _signed(tag))
    zeros = tf.zeros_like(samples)
    counters = tf.reshape(tf.stack([zeros, zeros + batch, tags, samples], axis=1), [-1, 2, 2])
    counters = tf.bitcast(tf.bitcast(counters, tf.int64), tf.uint64)
    key = tf.bitcast(tf.bitcast(tf.reshape(key, [1, 2]), tf.int64), tf.uint64)
    numbers_per_word = 32 // width
    length = tf.reshape((count + numbers_per_word - 1) // numbers_per_word, [1])
    words = _philox_rows()(key, counters, length)
    if width == 16:
        words = tf.reshape(tf.bitcast(words, tf.uint16), [samples.shape[0], -1])[:, :count]
    return words


@functools.cache
def _philox_rows() -> Any:
    """Return a function that stacks the words of several counters.

    It is traced once for each number of counters: a node for each, in each layer that draws,
    would take longer to trace than to run.
    """
    import tensorflow as tf

    def stacked(key: Tensor, counters: Tensor, length: Tensor) -> Tensor:
        words = [
            tf.raw_ops.StatelessRandomUniformFullIntV2(
                shape=length, key=key, counter=counter, alg=1, dtype=tf.uint32
            )
            for counter in tf.unstack(counters)
        ]
        return tf.stack(words)

    return tf.function(stacked, autograph=False, reduce_retracing=False)


def _jax_sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: Any, width: int
) -> Tensor:
    import jax

    def one(sample: Tensor) -> Tensor:
        return _jax_numbers(key, [0, batch, _signed(tag), sample], count, width)

    return jax.vmap(one)(samples)


def _torch_sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: Any, width: int
) -> Tensor:
    keys = ops.concatenate([key, ops.reshape(batch, (1,))])
    return ops.stack(
        [_torch_bits(Stream(keys, x, tag >> 16), (count,), width, tag & 0xFFFF) for x in samples]
    )


def _tag(stream: Stream, draw: int) -> int:
    return (stream.place & 0xFFFF) << 16 | draw


def _signed(word: int) -> int:
    """Return the int32 that has the bits of an unsigned 32-bit word."""
    return word - 2**32 if word >= 2**31 else word


def _tensorflow_bits(stream: Stream, shape: tuple[Any, ...], width: int, draw: int) -> Tensor:
    import tensorflow as tf

    tag = tf.constant(_signed(_tag(stream, draw)), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        tag += tf.cast(context.replica_id_in_sync_group, tf.int32) * 16
    zero = tf.zeros_like(tag)
    counter = tf.reshape(tf.stack([zero, zero, tag, tf.cast(stream.step, tf.int32)]), [2, 2])
    static = all(isinstance(size, int) for size in shape)
    count = math.prod(shape) if static else tf.reduce_prod(tf.stack(shape))
    numbers_per_word = 32 // width
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.reshape((count + numbers_per_word - 1) // numbers_per_word, [1]),
        key=tf.bitcast(tf.reshape(stream.key, [1, 2]), tf.uint64),
        counter=tf.bitcast(counter, tf.uint64),
        alg=1,  # Philox by name: XLA's default generator is many times slower on the CPU
        dtype=tf.uint32,
    )
    if width == 16:
        words = tf.bitcast(words, tf.uint16)
        if not static or count % 2:
            words = tf.reshape(words, [-1])[:count]
    return tf.reshape(words, shape)


def _jax_bits(stream: Stream, shape: tuple[Any, ...], width: int, draw: int) -> Tensor:
    counter = [0, 0, _signed(_tag(stream, draw)), stream.step]
    return _jax_numbers(stream.key, counter, math.prod(shape), width).reshape(shape)


def _jax_numbers(key: Tensor, counter: list[Any], count: int, width: int) -> Tensor:
    import jax
    import jax.numpy as jnp

    from keras_dropouts.philox import jax_words

    words = jax_words(
        jnp.asarray(key, jnp.int32), jnp.asarray(counter, jnp.int32), -(-count * width // 32)
    )
    if width == 16:
        words = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count]
    return words


def _torch_bits(stream: Stream, shape: tuple[Any, ...], width: int, draw: int) -> Tensor:
    import torch

    # With a sign, as PyTorch compares no unsigned integers of these widths.
    dtype = torch.int16 if width == 16 else torch.int32
    if stream.key.device.type == "meta":  # a symbolic call: only shape and dtype matter
        return torch.empty(shape, dtype=dtype, device="meta")
    entropy = [int(word) & 0xFFFFFFFF for word in (*stream.key.tolist(), int(stream.step))]
    seed = np.random.SeedSequence([*entropy, _tag(stream, draw)]).generate_state(1, np.uint64)[0]
    generator = torch.Generator(device=stream.key.device).manual_seed(int(seed) & (2**63 - 1))
    count = math.prod(shape)
    # Words of 64 bits, which are split: the generator's time goes by the word, not by the bit.
    words = torch.empty(-(-count * width // 64), dtype=torch.int64, device=stream.key.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(dtype)[:count].reshape(shape)


_BITS = {"tensorflow": _tensorflow_bits, "jax": _jax_bits, "torch": _torch_bits}
_SAMPLE_BITS = {
    "tensorflow": _tensorflow_sample_bits,
    "jax": _jax_sample_bits,
    "torch": _torch_sample_bits,
}
