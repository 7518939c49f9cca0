"""What this package does in JAX's own functions: masked products, rows and compilation."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_dropouts.backends.xla_on_cpu_jax import always
from keras_dropouts.types import Layer, Tensor


def read(variable: Any) -> Tensor:
    """Return the value of a Keras variable as it is now."""
    return keras.ops.convert_to_tensor(variable)


def outside_traces(variable: Any) -> Any:
    """Return the value that a variable holds now as an array, while a function is traced too."""
    with keras.StatelessScope():  # which holds no other value for it, as that around a call may
        return np.asarray(variable.value)


def masked(
    inputs: Tensor, keep: Tensor, scale: Tensor, again: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar, with respect to which no gradient is taken; again: returns `keep` once more,
    from an int32 zero, or None where no backward pass may follow. The product is taken in float32
    at least. The backward pass keeps the mask alone, a byte for each element; where JAX compiles
    it, it draws the mask again and keeps nothing.
    """
    wide = "float64" if inputs.dtype == jnp.float64 else "float32"
    scale = scale.astype(wide)
    if keep.shape != inputs.shape:  # a product with few numbers is faster than a choice
        return _times(inputs, keep.astype(wide) * scale)
    if again is None:
        return _chosen(inputs, keep, scale)
    # What is under `checkpoint` is computed again in the backward pass from what it takes. JAX
    # would keep a float of the inputs' dtype for each element beside the mask.
    if isinstance(keep, jax.core.Tracer):
        draw = again

        def drawn(inputs: Tensor, scale: Tensor) -> Tensor:
            return _chosen(inputs, draw(jnp.zeros((), jnp.int32)), scale)

        return jax.checkpoint(drawn)(inputs, scale)
    return jax.checkpoint(_chosen, prevent_cse=False)(inputs, keep, scale)


def _chosen(inputs: Tensor, keep: Tensor, scale: Tensor) -> Tensor:
    return jnp.where(keep, _times(inputs, scale), jnp.zeros((), inputs.dtype))


def _times(inputs: Tensor, factor: Tensor) -> Tensor:
    return (inputs.astype(factor.dtype) * factor).astype(inputs.dtype)


def computed_once(compute: Callable[[], Tensor], shape: tuple[int, ...], number: Tensor) -> Tensor:
    """Return the booleans of a shape that `compute` returns.

    XLA would put what computes them into all that uses them, and compute them there again for each
    use of an element. It does not look into the branch of a condition that it cannot know.

    number: int32 scalar that is known only when the function runs.
    """
    if not isinstance(number, jax.core.Tracer):
        return compute()
    return jax.lax.cond(always(number), compute, lambda: jnp.zeros(shape, bool))


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
