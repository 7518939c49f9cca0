"""What this package does in PyTorch's own functions: random bits, masked products, compilation.

The random bits of training come from PyTorch's own generator, seeded from the key, the step and the
tag: they are reproducible, but other numbers than those of the other backends. Those of Monte-Carlo
samples are the same as there.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import torch

from keras_dropouts.types import Layer, Tensor

_DTYPES = {16: torch.int16, 23: torch.int32, 32: torch.int32}
_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # of Philox 4x32-10
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now."""
    return keras.ops.convert_to_tensor(variable)


def outside_traces(variable: Any) -> Any:
    """Return the value that a variable holds now as an array, while a function is traced too."""
    return variable.value.detach().cpu().numpy()


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
    tag += _replica() * 16
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


def _replica() -> int:
    """Return the number of this process among those of `torch.distributed`, 0 for one alone.

    The processes of DistributedDataParallel hold the same keys and steps, and each has rows of its
    own.
    """
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return 0


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
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: int, width: int
) -> Tensor:
    """Return integers of `width` bits, 16, 23 or 32, of shape (rows, samples, count).

    seeds: int32 of shape (rows, 2); first: int32 scalar, the number of the first sample; key: two
    words of 32 bits. noise/sampler.py says which numbers they are; those of 16 and 32 bits begin at
    -2**(width - 1), as PyTorch compares no unsigned integers of these widths.
    """
    per_block = 8 if width == 16 else 4
    blocks = -(-count // per_block)
    index = torch.arange(samples * blocks, device=seeds.device) + first.to(torch.int64) * blocks
    low, high = (word[:, None] for word in (seeds.to(torch.int64) & _WORD).unbind(1))
    words = torch.stack(_philox(key, [index & _WORD, index >> 32, low, high]), dim=-1)
    if width == 16:
        words = torch.stack([words & 0xFFFF, words >> 16], dim=-1)
    numbers = words.reshape(seeds.shape[0], samples, per_block * blocks)[:, :, :count]
    return (numbers >> 9 if width == 23 else numbers - 2 ** (width - 1)).to(_DTYPES[width])


def _philox(key: tuple[int, int], words: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the four words of Philox 4x32-10 for a counter of four, int64 of 32 bits each."""
    for i in range(10):
        keys = [(word + i * step) & _WORD for word, step in zip(key, _KEY_STEPS, strict=True)]
        first, second = words[0] * _MULTIPLIERS[0], words[2] * _MULTIPLIERS[1]
        words = [
            (second >> 32 & _WORD) ^ words[1] ^ keys[0],
            second & _WORD,
            (first >> 32 & _WORD) ^ words[3] ^ keys[1],
            first & _WORD,
        ]
    return list(torch.broadcast_tensors(*words))


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


def mapped_rows(
    function: Callable[[list[Tensor]], list[Tensor]], rows: list[Tensor]
) -> list[Tensor]:
    """Return what `function` makes of each row alone, put together again.

    It takes and returns tensors with a first axis of 1; `rows` are tensors with the same number of
    rows.
    """
    made = [function(list(parts)) for parts in zip(*(x.split(1) for x in rows), strict=True)]
    return [torch.cat(parts) for parts in zip(*made, strict=True)]


def compiled(function: Callable[..., Any], model: weakref.ref[Layer]) -> Callable[..., Any]:
    """Return `function` without gradients: it calls layers of `model`.

    PyTorch compiles nothing here. What it takes and returns are structures of tensors and Nones.
    """
    return torch.no_grad()(function)


def traced_operations() -> list[Any]:
    """Return the operations of the graph that is traced now: PyTorch does not show them."""
    return []


def full_precision() -> AbstractContextManager[Any]:
    """Compute convolutions of float32 in float32 inside this block; cuDNN would round them."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(enabled=cudnn.enabled, allow_tf32=False)
