"""The generators of each backend: the one file of random numbers that knows which backend runs.

On TensorFlow and JAX Philox 4x32-10 with the counter given in random.py; on PyTorch its own
generator, seeded from the same values.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any  # Keras tensors have no common type across backends


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now.

    On TensorFlow a variable in a formula is read again at each use, an operation each time.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.convert_to_tensor(variable)
    import tensorflow as tf

    return tf.convert_to_tensor(variable.value)


def bits(key: Tensor, step: Tensor, tag: int, shape: tuple[Any, ...], width: int) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for one call of a layer; see `random.bits`."""
    return _BITS[keras.backend.backend()](key, step, tag, shape, width)


def sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: Any, width: int
) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for Monte-Carlo samples, of shape (n, count)."""
    return _SAMPLE_BITS[keras.backend.backend()](key, samples, batch, tag, count, width)


def _tensorflow_bits(
    key: Tensor, step: Tensor, tag: Any, shape: tuple[Any, ...], width: int
) -> Tensor:
    import tensorflow as tf

    tag = tf.constant(_signed(tag), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        tag += tf.cast(context.replica_id_in_sync_group, tf.int32) * 16
    zero = tf.zeros_like(tag)
    counter = tf.reshape(tf.stack([zero, zero, tag, tf.cast(step, tf.int32)]), [2, 2])
    static = all(isinstance(size, int) for size in shape)
    count = math.prod(shape) if static else tf.reduce_prod(tf.stack(shape))
    counter = tf.bitcast(counter, tf.uint64)
    key = tf.bitcast(tf.reshape(key, [1, 2]), tf.uint64)
    words = _philox(key, counter, tf.reshape((count * width + 63) // 64, [1]))
    numbers = tf.bitcast(words, tf.uint16 if width == 16 else tf.uint32)
    if not static or count * width % 64:
        numbers = tf.reshape(numbers, [-1])[:count]
    return tf.reshape(numbers, shape)


def _philox(key: Tensor, counter: Tensor, length: Tensor) -> Tensor:
    """Return words of 64 bits, uint64 of shape `length`: pairs of Philox's, the first one lower.

    XLA on the CPU makes these in less than a third of the time of as many bits in words of 32.
    """
    import tensorflow as tf

    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=length,
        key=key,
        counter=counter,
        alg=1,  # Philox by name: XLA's default generator is many times slower on the CPU
        dtype=tf.uint64,
    )


def _jax_bits(key: Tensor, step: Tensor, tag: int, shape: tuple[Any, ...], width: int) -> Tensor:
    counter = [0, 0, _signed(tag), step]
    return _jax_numbers(key, counter, math.prod(shape), width).reshape(shape)


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


def _torch_bits(key: Tensor, step: Tensor, tag: int, shape: tuple[Any, ...], width: int) -> Tensor:
    import torch

    # With a sign, as PyTorch compares no unsigned integers of these widths.
    dtype = torch.int16 if width == 16 else torch.int32
    if key.device.type == "meta":  # a symbolic call: only shape and dtype matter
        return torch.empty(shape, dtype=dtype, device="meta")
    entropy = [int(word) & 0xFFFFFFFF for word in (*key.tolist(), int(step))]
    seed = np.random.SeedSequence([*entropy, tag]).generate_state(1, np.uint64)[0]
    generator = torch.Generator(device=key.device).manual_seed(int(seed) & (2**63 - 1))
    count = math.prod(shape)
    # Words of 64 bits, which are split: the generator's time goes by the word, not by the bit.
    words = torch.empty(-(-count * width // 64), dtype=torch.int64, device=key.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(dtype)[:count].reshape(shape)


def _tensorflow_sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: Any, width: int
) -> Tensor:
    import tensorflow as tf

    tags = tf.fill(tf.shape(samples), _signed(tag))
    zeros = tf.zeros_like(samples)
    counters = tf.reshape(tf.stack([zeros, zeros + batch, tags, samples], axis=1), [-1, 2, 2])
    counters = tf.bitcast(tf.bitcast(counters, tf.int64), tf.uint64)
    key = tf.bitcast(tf.bitcast(tf.reshape(key, [1, 2]), tf.int64), tf.uint64)
    words = _philox_rows()(key, counters, tf.reshape((count * width + 63) // 64, [1]))
    numbers = tf.bitcast(words, tf.uint16 if width == 16 else tf.uint32)
    return tf.reshape(numbers, [samples.shape[0], -1])[:, :count]


@functools.cache
def _philox_rows() -> Any:
    """Return a function that stacks the words of several counters.

    It is traced once for each number of counters: a node for each, in each layer that draws,
    would take longer to trace than to run.
    """
    import tensorflow as tf

    def stacked(key: Tensor, counters: Tensor, length: Tensor) -> Tensor:
        return tf.stack([_philox(key, counter, length) for counter in tf.unstack(counters)])

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
    return ops.stack([_torch_bits(keys, x, tag, (count,), width) for x in samples])


def _signed(word: int) -> int:
    """Return the int32 that has the bits of an unsigned 32-bit word."""
    return word - 2**32 if word >= 2**31 else word


_BITS = {"tensorflow": _tensorflow_bits, "jax": _jax_bits, "torch": _torch_bits}
_SAMPLE_BITS = {
    "tensorflow": _tensorflow_sample_bits,
    "jax": _jax_sample_bits,
    "torch": _torch_sample_bits,
}
