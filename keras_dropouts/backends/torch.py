"""Inputs times a mask, on each backend in the way that is fastest and keeps least for later.

What a dropout layer keeps for the backward pass is the mask alone, a byte for each element; on
TensorFlow a large mask is packed to a bit for each. The gradient with respect to the scale is not
taken: no rate is learned through it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any


def masked(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar; gradient: whether a backward pass may follow. The product is taken in float32
    at least.
    """
    return _MASKED[keras.backend.backend()](inputs, keep, scale, gradient)


def _wide(inputs: Tensor) -> str:
    return "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"


def _times(inputs: Tensor, factor: Tensor) -> Tensor:
    return ops.cast(ops.cast(inputs, factor.dtype) * factor, inputs.dtype)


def _one_for_each(keep: Tensor, inputs: Tensor) -> bool:
    """Return whether the mask is known to have a decision for each element."""
    return tuple(keep.shape) == tuple(inputs.shape)


# Eight planes of the mask share a byte. As the planes lie one after the other, the bytes are
# handled eight at a time, as the lanes of a 64-bit word, and nothing has to be transposed.
_PLANES = 8
_PACKED_FROM = 2**20  # elements; the memory that less would save is not worth ten more operations
_LANES = np.int64(0x0101010101010101)
_SHIFTS = np.array([[1 << plane] for plane in range(_PLANES)], "int64")
_BITS = (_SHIFTS.view("uint64") * _LANES.view("uint64")).view("int64")


def _tensorflow(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    import tensorflow as tf

    dtype = _wide(inputs)
    scale = tf.cast(scale, dtype)
    if not (gradient and _one_for_each(keep, inputs)):
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
            size, shape = tf.size(upstream), tf.shape(upstream)
            return _times(upstream, tf.reshape(_unpack(packed, scale)[:size], shape))

        return _times(inputs, tf.cast(flags, dtype) * scale), backward

    return product(inputs)


def _pack(flags: Tensor) -> Tensor:
    """Return int64 words whose bits are the flags, an eighth of their bytes; 64 flags a word."""
    import tensorflow as tf

    flat = tf.reshape(flags, [-1])
    known = [size for size in flags.shape if size is not None]
    if np.prod(known, dtype=np.int64) % 64:
        flat = tf.pad(flat, [[0, -tf.size(flat) % 64]])
    words = tf.bitcast(tf.reshape(flat, [_PLANES, -1, 8]), tf.int64)
    planes = _PLANES
    while planes > 1:  # the upper half of the planes into the free bits of the lower half
        planes //= 2
        upper = tf.bitwise.left_shift(words[planes:], np.int64(planes))
        words = tf.bitwise.bitwise_or(words[:planes], upper)
    return words[0]


def _unpack(packed: Tensor, scale: Tensor) -> Tensor:
    """Return, for each flag that was packed, `scale` where it was 1 and 0 where it was 0."""
    import tensorflow as tf

    bits = tf.bitcast(tf.bitwise.bitwise_and(packed[tf.newaxis], _BITS), tf.uint8)
    # A flag is 0 or a power of two by now; to divide the scale by that is exact.
    scales = scale * tf.constant(1.0 / _SHIFTS, scale.dtype)
    factors = tf.cast(tf.reshape(bits, [_PLANES, -1]), scale.dtype) * scales
    return tf.reshape(factors, [-1])


def _jax(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    import jax

    scale = ops.cast(scale, _wide(inputs))
    if not _one_for_each(keep, inputs):  # a product with few numbers is faster than a choice
        return _times(inputs, ops.cast(keep, scale.dtype) * scale)
    # JAX would keep a float of the inputs' dtype for each element beside the mask. What is under
    # `checkpoint` is computed again instead, and all that takes is the mask and the scale.
    chosen = jax.checkpoint(_chosen, prevent_cse=False) if gradient else _chosen
    return chosen(inputs, keep, scale)


def _chosen(inputs: Tensor, keep: Tensor, scale: Tensor) -> Tensor:
    return ops.where(keep, _times(inputs, scale), ops.zeros((), inputs.dtype))


def _torch(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    import torch

    wide = getattr(torch, _wide(inputs))
    scale = scale.detach().to(wide)
    if not _one_for_each(keep, inputs):
        return _times(inputs, keep.to(wide) * scale)
    # uint8 because PyTorch multiplies by booleans twice as slowly.
    product = (inputs.to(wide) * scale).mul_(keep.view(torch.uint8))
    return product.to(inputs.dtype)


_MASKED = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
