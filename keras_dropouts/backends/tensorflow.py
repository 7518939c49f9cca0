"""What this package does in TensorFlow's own functions: masked products, rows, compilation."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dropouts.backends.calls_tensorflow import is_compiled_by_xla
from keras_dropouts.backends.xla_on_cpu_tensorflow import always, compiles_for_cpu
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


def masked(
    inputs: Tensor, keep: Tensor, scale: Tensor, again: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere, in the inputs' dtype.

    inputs: floats; keep: booleans of a shape that broadcasts to that of the inputs; scale: a
    float32 scalar, with respect to which no gradient is taken; again: returns `keep` once more,
    from an int32 zero that only the backward pass can compute, or None where none may follow. The
    product is taken in float32 at least. The backward pass keeps the mask alone, a byte for each
    element; where XLA compiles it, it draws the mask again and keeps nothing.
    """
    dtype = "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"
    scale = tf.cast(scale, dtype)
    if again is None or tuple(keep.shape) != tuple(inputs.shape):
        return _times(inputs, tf.stop_gradient(tf.cast(keep, dtype) * scale))
    redrawn = is_compiled_by_xla()

    @tf.custom_gradient
    def product(inputs: Tensor) -> tuple[Tensor, Any]:
        def backward(upstream: Tensor) -> Tensor:
            mask = again(_zero(upstream)) if redrawn else keep
            return _times(upstream, tf.cast(mask, dtype) * scale)

        return _times(inputs, tf.cast(keep, dtype) * scale), backward

    return product(inputs)


def _zero(upstream: Tensor) -> Tensor:
    """Return 0, int32, in a way of which no compiler knows that it is that without `upstream`."""
    return tf.cast(tf.reduce_any(tf.reshape(upstream, [-1])[:1] > np.inf), tf.int32)


def _times(inputs: Tensor, factor: Tensor) -> Tensor:
    return tf.cast(tf.cast(inputs, factor.dtype) * factor, inputs.dtype)


def computed_once(compute: Callable[[], Tensor], shape: tuple[Any, ...], number: Tensor) -> Tensor:
    """Return the booleans of a shape that `compute` returns.

    XLA would put what computes them into all that uses them, and compute them there again for each
    use of an element. It does not look into the branch of a condition that it cannot know.

    number: int32 scalar that is known only when the function runs.
    """
    if not compiles_for_cpu():
        return compute()
    return tf.cond(always(number), compute, lambda: tf.zeros(shape, tf.bool))


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
