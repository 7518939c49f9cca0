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


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now."""
    return keras.ops.convert_to_tensor(variable)


def bits(key: Tensor, step: Tensor, tag: int, shape: tuple[int, ...], width: int) -> Tensor:
    """Return integers of `width` bits, 16 or 32, for one call of a layer.

    key: int32 of shape (2,) or more; step: int32 scalar; tag: 32 bits that tell this draw from
    others. They have a sign, as PyTorch compares no unsigned integers of these widths. See
    `Stream.bits`.
    """
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
    product = (inputs.to(wide) * scale).mul_(keep.view(torch.uint8))
    return product.to(inputs.dtype)


def compiled(function: Callable[..., Any], model: weakref.ref[Layer]) -> Callable[..., Any]:
    """Return `function` without gradients: it calls layers of `model`.

    PyTorch compiles nothing here. What it takes and returns are structures of tensors and Nones.
    """
    return torch.no_grad()(function)


def traced_operations() -> list[Any]:
    """Return the operations of the graph that is traced now: PyTorch does not show them."""
    return []
