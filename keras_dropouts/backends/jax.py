"""What this package does in JAX's own functions: random bits, masked products and compilation.

The random bits are those of Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011, "Parallel random
numbers: as easy as 1, 2, 3"), the words that TensorFlow's own kernel gives for a key and a
counter. JAX has no such generator. Its threefry draws 64 bits for each number, however few of
them are asked for, so this is about three times as fast for decisions of 16 bits.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_dropouts.types import Layer, Tensor

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
# Two rounds a pass of the loop was the fastest on a CPU. Unrolled as a whole it is 20 times
# slower: XLA then computes the ten rounds again for each of the four words.
_UNROLLED = 2


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now."""
    return keras.ops.convert_to_tensor(variable)


def outside_traces(variable: Any) -> Any:
    """Return the value that a variable holds now as an array, while a function is traced too."""
    with keras.StatelessScope():  # which holds no other value for it, as that around a call may
        return np.asarray(variable.value)


def bits(key: Tensor, step: Tensor, tag: int, shape: tuple[int, ...], width: int) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for one call of a layer.

    key: int32 of shape (2,); step: int32 scalar; tag: 32 bits that tell this draw from others. See
    `Stream.bits`.
    """
    return _numbers(key, [0, 0, _signed(tag), step], math.prod(shape), width).reshape(shape)


def sample_bits(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: int, width: int
) -> Tensor:
    """Return integers of `width` bits, 16, 23 or 32, of shape (rows, samples, count).

    seeds: int32 of shape (rows, 2); first: int32 scalar, the number of the first sample; key: two
    words of 32 bits. noise/sampler.py says which numbers they are.
    """
    per_block = 8 if width == 16 else 4
    blocks = -(-count // per_block)
    low, high = _block_indices(samples * blocks)
    more, start = _product(_unsigned(first), blocks)
    low = low + start
    high = high + more + (low < start)  # the carry
    seed_low, seed_high = (_unsigned(word)[:, None] for word in (seeds[:, 0], seeds[:, 1]))
    counter = jnp.broadcast_arrays(low, high, seed_low, seed_high)
    words = _philox(jnp.asarray(key, jnp.uint32), tuple(counter))
    words = words.reshape(seeds.shape[0], samples, 4 * blocks)
    if width == 16:
        words = jax.lax.bitcast_convert_type(words, jnp.uint16)
        words = words.reshape(seeds.shape[0], samples, 8 * blocks)
    words = words[:, :, :count]
    return words >> 9 if width == 23 else words


def _numbers(key: Tensor, counter: list[Any], count: int, width: int) -> Tensor:
    words = _words(
        jnp.asarray(key, jnp.int32), jnp.asarray(counter, jnp.int32), -(-count * width // 32)
    )
    if width == 16:
        words = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count]
    return words


@functools.partial(jax.jit, static_argnums=2)
def _words(key: Tensor, counter: Tensor, count: int) -> Tensor:
    """Return `count` words, uint32, of the blocks from `counter` on; four words a block.

    key: int32 of shape (2,); counter: int32 of shape (4,). Its first two words, which are 0, count
    the blocks.
    """
    counter = _unsigned(counter)
    low, high = _block_indices(-(-count // 4))
    start = (low, high + counter[1], *(jnp.broadcast_to(word, low.shape) for word in counter[2:]))
    return _philox(_unsigned(key), start).reshape(-1)[:count]


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


def _signed(word: int) -> int:
    """Return the int32 that has the bits of an unsigned 32-bit word."""
    return word - 2**32 if word >= 2**31 else word


def masked(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar, with respect to which no gradient is taken; gradient: whether a backward pass
    may follow. The product is taken in float32 at least. The backward pass keeps the mask alone, a
    byte for each element.
    """
    wide = "float64" if inputs.dtype == jnp.float64 else "float32"
    scale = scale.astype(wide)
    if keep.shape != inputs.shape:  # a product with few numbers is faster than a choice
        return _times(inputs, keep.astype(wide) * scale)
    # JAX would keep a float of the inputs' dtype for each element beside the mask. What is under
    # `checkpoint` is computed again instead, and all that takes is the mask and the scale.
    chosen = jax.checkpoint(_chosen, prevent_cse=False) if gradient else _chosen
    return chosen(inputs, keep, scale)


def _chosen(inputs: Tensor, keep: Tensor, scale: Tensor) -> Tensor:
    return jnp.where(keep, _times(inputs, scale), jnp.zeros((), inputs.dtype))


def _times(inputs: Tensor, factor: Tensor) -> Tensor:
    return (inputs.astype(factor.dtype) * factor).astype(inputs.dtype)


def padded(keep: Tensor, padding: list[tuple[int, int]]) -> Tensor:
    """Return booleans with so many True before and after them, along each axis."""
    return jnp.pad(keep, padding, constant_values=True)


def mapped_rows(
    function: Callable[[list[Tensor]], list[Tensor]], rows: list[Tensor]
) -> list[Tensor]:
    """Return what `function` makes of each row alone, put together again.

    It takes and returns tensors with a first axis of 1; `rows` are tensors with the same number of
    rows.
    """

    def of_row(parts: list[Tensor]) -> list[Tensor]:
        return [x[0] for x in function([part[None] for part in parts])]

    return list(jax.lax.map(of_row, rows))


def compiled(function: Callable[..., Any], model: weakref.ref[Layer]) -> Callable[..., Any]:
    """Return `function` compiled: it calls layers of `model` and changes none of their variables.

    What it takes and returns are structures of tensors and Nones. Weights that change later are
    seen by later calls.
    """

    def variables() -> list[Any]:
        held: Any = model()
        return list(held.variables)

    def pure(weights: list[Any], *arguments: Any) -> Any:
        # Handed in, not closed over: XLA would make constants of them.
        mapping = list(zip(variables(), weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*arguments)

    jitted = jax.jit(pure)
    return lambda *arguments: jitted([each.value for each in variables()], *arguments)


def traced_operations() -> list[Any]:
    """Return the operations of the graph that is traced now: JAX does not show them."""
    return []


def full_precision() -> AbstractContextManager[Any]:
    """Compute products of float32 in float32 inside this block; a GPU or TPU would round them."""
    return jax.default_matmul_precision("highest")
