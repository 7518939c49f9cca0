"""What this package does in PyTorch's own functions: masked products, rows and compilation."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
import torch

from keras_dropouts.types import Layer, Tensor


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now."""
    return keras.ops.convert_to_tensor(variable)


def outside_traces(variable: Any) -> Any:
    """Return the value that a variable holds now as an array, while a function is traced too."""
    return variable.value.detach().cpu().numpy()


def masked(
    inputs: Tensor, keep: Tensor, scale: Tensor, again: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar, with respect to which no gradient is taken. The product is taken in float32 at
    least. The backward pass keeps the mask alone, a byte for each element, whatever `again` is.
    """
    wide = torch.float64 if inputs.dtype == torch.float64 else torch.float32
    scale = scale.detach().to(wide)
    if keep.shape != inputs.shape:
        return (inputs.to(wide) * (keep.to(wide) * scale)).to(inputs.dtype)
    return _Masked.apply(inputs, keep, scale)


class _Masked(torch.autograd.Function):
    """The product with a mask, whose backward pass is the same product and keeps the mask alone."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: torch.Tensor, keep: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        # In floats, as PyTorch multiplies by bytes more slowly than it makes floats of them.
        factor = keep.view(torch.uint8).to(scale.dtype) * scale
        try:
            product = factor.mul_(inputs)
        except RuntimeError:  # of vmap, where all examples have one mask and inputs of their own
            product = factor * inputs
        return product.to(inputs.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, keep, scale = inputs
        ctx.save_for_backward(keep, scale)
        ctx.save_for_forward(keep, scale)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        return _Masked.apply(upstream, *ctx.saved_tensors), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *others: Any) -> torch.Tensor:
        return _Masked.apply(tangent, *ctx.saved_tensors)


def computed_once(compute: Callable[[], Tensor], shape: tuple[int, ...], number: Tensor) -> Tensor:
    """Return what `compute` returns: PyTorch computes nothing twice."""
    return compute()


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
