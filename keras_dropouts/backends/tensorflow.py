"""What this package does in TensorFlow's own functions: random bits, masked products, compilation.

The random bits are those of Philox 4x32-10 with the counters that noise/stream.py and
noise/sampler.py describe. Of a large mask the backward pass keeps one bit for each element.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dropouts.types import Layer, Tensor


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now.

    A variable in a formula is read again at each use, an operation each time.
    """
    return tf.convert_to_tensor(variable.value)


def outside_traces(variable: Any) -> Any:
    """Return the value that a variable holds now as an array, while a function is traced too."""
    with tf.init_scope(), keras.StatelessScope():
        return variable.value.numpy()


def bits(key: Tensor, step: Tensor, tag: int, shape: tuple[Any, ...], width: int) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for one call of a layer.

    key: int32 of shape (2,); step: int32 scalar; tag: 32 bits that tell this draw from others;
    shape: ints or scalar tensors. See `Stream.bits`.
    """
    tag = tf.constant(_signed(tag), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        tag += tf.cast(context.replica_id_in_sync_group, tf.int32) * 16
    zero = tf.zeros_like(tag)
    counter = tf.reshape(tf.stack([zero, zero, tag, tf.cast(step, tf.int32)]), [2, 2])
    count = _count(shape)
    counter = tf.bitcast(counter, tf.uint64)
    key = tf.bitcast(tf.reshape(key, [1, 2]), tf.uint64)
    words = _philox(key=key, counter=counter, shape=_words(count, width))
    numbers = tf.bitcast(words, tf.uint16 if width == 16 else tf.uint32)
    if not isinstance(count, int) or count * width % 64:
        numbers = tf.reshape(numbers, [-1])[:count]
    return tf.reshape(numbers, shape)


def _count(shape: tuple[Any, ...]) -> Any:
    """Return the number of elements of a shape: an int, or an int64 scalar where it is dynamic.

    TensorFlow has sizes in int32, whose product may be larger than int32 holds.
    """
    if all(isinstance(size, int) for size in shape):
        return math.prod(shape)
    return tf.reduce_prod(tf.stack([tf.cast(size, tf.int64) for size in shape]))


def _words(count: Any, width: int) -> Tensor:
    """Return the shape of the words of 64 bits that hold `count` numbers of `width` bits."""
    per_word = 64 // width
    return tf.reshape(tf.cast((count + per_word - 1) // per_word, tf.int64), [1])


# Words of 64 bits: pairs of Philox's, the first one lower. XLA on the CPU makes these in less than
# a third of the time of as many bits in words of 32.
_philox = functools.partial(
    tf.raw_ops.StatelessRandomUniformFullIntV2,
    alg=1,  # Philox by name: XLA's default generator is many times slower on the CPU
    dtype=tf.uint64,
)


def sample_bits(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: Any, width: int
) -> Tensor:
    """Return integers of `width` bits, 16, 23 or 32, of shape (rows, samples, count).

    seeds: int32 of shape (rows, 2); first: int32 scalar, the number of the first sample; key: two
    words of 32 bits; count: an int or an int64 scalar. noise/sampler.py says which numbers they
    are.
    """
    per_block = 8 if width == 16 else 4
    blocks = (count + per_block - 1) // per_block
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

    words = tf.map_fn(of_row, wanted, fn_output_signature=tf.uint64)
    numbers = tf.bitcast(words, tf.uint16 if width == 16 else tf.uint32)
    numbers = tf.reshape(numbers, [-1, samples, per_block * blocks])[:rows, :, :count]
    return tf.bitwise.right_shift(numbers, np.uint32(9)) if width == 23 else numbers


def _signed(word: int) -> int:
    """Return the int32 that has the bits of an unsigned 32-bit word."""
    return word - 2**32 if word >= 2**31 else word


# Eight planes of the mask share a byte. As the planes lie one after the other, the bytes are
# handled eight at a time, as the lanes of a 64-bit word, and nothing has to be transposed.
_PLANES = 8
_PACKED_FROM = 2**20  # elements; the memory that less would save is not worth ten more operations
_LANES = np.int64(0x0101010101010101)
_SHIFTS = np.array([[1 << plane] for plane in range(_PLANES)], "int64")
_BITS = (_SHIFTS.view("uint64") * _LANES.view("uint64")).view("int64")


def masked(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar, with respect to which no gradient is taken; gradient: whether a backward pass
    may follow. The product is taken in float32 at least. The backward pass keeps the mask alone, a
    byte for each element or, of a large mask, a bit.
    """
    dtype = "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"
    scale = tf.cast(scale, dtype)
    if not (gradient and tuple(keep.shape) == tuple(inputs.shape)):
        return _times(inputs, tf.stop_gradient(tf.cast(keep, dtype) * scale))
    if (inputs.shape.num_elements() or _PACKED_FROM) >= _PACKED_FROM:
        flags = tf.cast(keep, tf.uint8)
        packed = _pack(flags)
    else:
        flags, packed = keep, None

    @tf.custom_gradient
    def product(inputs: Tensor) -> tuple[Tensor, Any]:
        def backward(upstream: Tensor) -> Tensor:
            if packed is None:
                return _times(upstream, tf.cast(flags, dtype) * scale)
            size, shape = tf.size(upstream, tf.int64), tf.shape(upstream)
            return _times(upstream, tf.reshape(_unpack(packed, scale)[:size], shape))

        return _times(inputs, tf.cast(flags, dtype) * scale), backward

    return product(inputs)


def _times(inputs: Tensor, factor: Tensor) -> Tensor:
    return tf.cast(tf.cast(inputs, factor.dtype) * factor, inputs.dtype)


def _pack(flags: Tensor) -> Tensor:
    """Return int64 words whose bits are the flags, an eighth of their bytes; 64 flags a word."""
    flat = tf.reshape(flags, [-1])
    known = [size for size in flags.shape if size is not None]
    if np.prod(known, dtype=np.int64) % 64:
        flat = tf.pad(flat, [[0, -tf.size(flat, tf.int64) % 64]])
    words = tf.bitcast(tf.reshape(flat, [_PLANES, -1, 8]), tf.int64)
    planes = _PLANES
    while planes > 1:  # the upper half of the planes into the free bits of the lower half
        planes //= 2
        upper = tf.bitwise.left_shift(words[planes:], np.int64(planes))
        words = tf.bitwise.bitwise_or(words[:planes], upper)
    return words[0]


def _unpack(packed: Tensor, scale: Tensor) -> Tensor:
    """Return, for each flag that was packed, `scale` where it was 1 and 0 where it was 0."""
    flags = tf.bitcast(tf.bitwise.bitwise_and(packed[tf.newaxis], _BITS), tf.uint8)
    # A flag is 0 or a power of two by now; to divide the scale by that is exact.
    scales = scale * tf.constant(1.0 / _SHIFTS, scale.dtype)
    factors = tf.cast(tf.reshape(flags, [_PLANES, -1]), scale.dtype) * scales
    return tf.reshape(factors, [-1])


def padded(keep: Tensor, padding: list[tuple[int, int]]) -> Tensor:
    """Return booleans with so many True before and after them, along each axis."""
    return tf.pad(keep, padding, constant_values=True)


def mapped_rows(
    function: Callable[[list[Tensor]], list[Tensor]], rows: list[Tensor]
) -> list[Tensor]:
    """Return what `function` makes of each row alone, put together again.

    It takes and returns tensors with a first axis of 1; `rows` are tensors with the same number of
    rows.
    """

    def of_row(parts: list[Tensor]) -> list[Tensor]:
        return [x[0] for x in function([part[tf.newaxis] for part in parts])]

    specs = [tf.TensorSpec(x.shape[1:], x.dtype) for x in rows]
    scratch = tf.function(of_row, autograph=False).get_concrete_function(specs)
    dtypes = [x.dtype for x in scratch.outputs]  # which `map_fn` has to be told
    return list(tf.map_fn(of_row, rows, fn_output_signature=dtypes))


def compiled(function: Callable[..., Any], model: weakref.ref[Layer]) -> Callable[..., Any]:
    """Return `function` compiled: it calls layers of `model` and changes none of their variables.

    What it takes and returns are structures of tensors and Nones. Weights that change later are
    seen by later calls.
    """
    traced = tf.function(function, autograph=False, reduce_retracing=True)
    # TensorFlow would take the functions of several models for one that it traces too often.
    traced._omit_frequent_tracing_warning = True
    return traced


def traced_operations() -> list[Any]:
    """Return the operations of the graph that is traced now, none when running eagerly."""
    if tf.executing_eagerly():
        return []
    return list(tf.compat.v1.get_default_graph().get_operations())


def full_precision() -> AbstractContextManager[Any]:
    """Nothing: TensorFlow compares with itself alone."""
    return nullcontext()
