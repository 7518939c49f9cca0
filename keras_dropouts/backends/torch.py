"""What this package does in PyTorch's own functions: random bits, masked products, compilation.

The random bits come from PyTorch's own generator, seeded from the key, the step and the tag: they
are reproducible, but other numbers than those of the other backends.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch

from keras_dropouts.types import Layer, Tensor

_DTYPES = {16: torch.int16, 32: torch.int32}


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now."""
    return keras.ops.convert_to_tensor(variable)


def bits(key: Tensor, step: Tensor, tag: int, shape: tuple[int, ...], width: int) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for one call of a layer.

    key: int32 of shape (2,) or more; step: int32 scalar; tag: 32 bits that tell this draw from
    others. They have a sign, as PyTorch compares no unsigned integers of these widths. Under
    `torch.func.vmap` they are one draw for all examples with `randomness="same"`, one for each
    with "different". See `Stream.bits`.
    """
    # In a compiled graph, and in a symbolic call of Keras, where only shape and dtype matter, the
    # draw is one operation: a generator cannot be traced.
    traced = torch.compiler.is_compiling() or key.device.type == "meta"
    draw = _drawn_in_graph if traced else _drawn
    return draw(key, step, tag, math.prod(shape), width).reshape(shape)


def _drawn(key: torch.Tensor, step: torch.Tensor, tag: int, count: int, width: int) -> torch.Tensor:
    entropy = [int(word) & 0xFFFFFFFF for word in (*key.tolist(), int(step))]
    seed = np.random.SeedSequence([*entropy, tag]).generate_state(1, np.uint64)[0]
    generator = torch.Generator(device=key.device).manual_seed(int(seed) & (2**63 - 1))
    # Words of 64 bits, which are split: the generator's time goes by the word, not by the bit.
    length = -(-count * width // 64)
    try:
        words = torch.empty(length, dtype=torch.int64, device=key.device)
        words.random_(-(2**63), None, generator=generator)
    except RuntimeError:  # of vmap, which has draws for each example only of functions like this
        words = torch.randint(
            *(-(2**63), 2**63 - 1, (length,)),
            generator=generator,
            dtype=torch.int64,
            device=key.device,
        )
    return words.view(_DTYPES[width])[:count]


@torch.library.custom_op("keras_dropouts::random_bits", mutates_args=())
def _drawn_in_graph(
    key: torch.Tensor, step: torch.Tensor, tag: int, count: int, width: int
) -> torch.Tensor:
    """Return what `_drawn` returns, as an operation that PyTorch's compilers take as a whole."""
    # A copy: compilers take the storage of a result for as long as its shape tells.
    return _drawn(key, step, tag, count, width).clone()


@_drawn_in_graph.register_fake
def _(key: torch.Tensor, step: torch.Tensor, tag: int, count: int, width: int) -> torch.Tensor:
    return torch.empty(count, dtype=_DTYPES[width], device=key.device)


def sample_bits(
    key: Tensor, samples: Tensor, batch: Tensor, tag: int, count: int, width: int
) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for Monte-Carlo samples, of shape (n, count).

    key: int32 of shape (2,); samples: int32 of shape (n,); batch: int32 scalar.
    """
    keys = torch.cat([key, batch.reshape(1)])
    return torch.stack([bits(keys, sample, tag, (count,), width) for sample in samples])


def masked(inputs: Tensor, keep: Tensor, scale: Tensor, gradient: bool) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar, with respect to which no gradient is taken. The product is taken in float32 at
    least. The backward pass keeps the mask alone, a byte for each element, whatever `gradient` is.
    """
    wide = torch.float64 if inputs.dtype == torch.float64 else torch.float32
    scale = scale.detach().to(wide)
    if keep.shape != inputs.shape:
        return (inputs.to(wide) * (keep.to(wide) * scale)).to(inputs.dtype)
    # uint8 because PyTorch multiplies by booleans twice as slowly.
    product, flags = inputs.to(wide) * scale, keep.view(torch.uint8)
    try:
        product = product.mul_(flags)
    except RuntimeError:  # of vmap, where each example has a mask and all have the same inputs
        product = product * flags
    return product.to(inputs.dtype)


def padded(keep: Tensor, padding: list[tuple[int, int]]) -> Tensor:
    """Return booleans with so many True before and after them, along each axis."""
    flat = [size for pair in reversed(padding) for size in pair]
    # Not as booleans: of those Inductor, in PyTorch 2.13, makes C++ that no compiler takes.
    flags = torch.nn.functional.pad(keep.to(torch.uint8), flat, value=1)
    return flags.to(torch.bool)


def compiled(function: Callable[..., Any], model: weakref.ref[Layer]) -> Callable[..., Any]:
    """Return `function` without gradients: it calls layers of `model`.

    PyTorch compiles nothing here. What it takes and returns are structures of tensors and Nones.
    """
    return torch.no_grad()(function)


def traced_operations() -> list[Any]:
    """Return the operations of the graph that is traced now: PyTorch does not show them."""
    return []
