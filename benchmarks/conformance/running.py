"""Runs a layer on each backend: eagerly, as a graph, compiled, and with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from subjects import Subject

BACKEND = keras.backend.backend()
DTYPES = ("float32", "mixed_float16", "mixed_bfloat16")
EXECUTIONS = {
    "tensorflow": ("eager", "graph", "jit"),
    "jax": ("eager", "jit"),
    "torch": ("eager",),
}[BACKEND]


def caller(layer: Any, subject: Subject, execution: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that calls the layer in training, once a call, in one execution."""

    def call(x: Any) -> Any:
        return ops.cast(subject.call(layer, x, training=True), "float32")

    if execution == "eager":
        return lambda x: to_numpy(call(ops.convert_to_tensor(x)))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(call, jit_compile=execution == "jit")
        return lambda x: to_numpy(compiled(tf.constant(x)))
    import jax

    def pure(trained: Any, state: Any, x: Any) -> Any:
        arguments = subject.wire(x)
        return layer.stateless_call(trained, state, *arguments, training=True)

    jitted = jax.jit(pure)

    def run(x: Any) -> np.ndarray:
        trained = [variable.value for variable in layer.trainable_variables]
        state = [variable.value for variable in layer.non_trainable_variables]
        output, after = jitted(trained, state, x)
        for variable, value in zip(layer.non_trainable_variables, after, strict=True):
            variable.assign(value)
        return to_numpy(ops.cast(output, "float32"))

    return run


def wrapped_layer_fails(subject: Subject, x: np.ndarray, dtype: str, execution: str) -> bool:
    """Return whether the layer that is wrapped cannot do it by itself, without dropout."""
    layer = getattr(subject.make(rate=0.5, seed=1, dtype=dtype), "layer", None)
    if layer is None:
        return False
    try:
        subject.call(layer, subject.data(2))
        caller(layer, subject, execution)(x)
    except Exception:  # noqa: BLE001 - whatever Keras or its backend raises
        return True
    return False


def to_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor as float64 in NumPy."""
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def gradient_of(layer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the output of a layer in training, and the gradient of its sum."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            output = layer(tensor, training=True)
        return to_numpy(output), to_numpy(tape.gradient(output, tensor))
    if BACKEND == "torch":
        tensor = ops.convert_to_tensor(x).requires_grad_(True)
        output = layer(tensor, training=True)
        output.sum().backward()
        return to_numpy(output.detach()), to_numpy(tensor.grad)
    import jax

    layer(x)
    state = [variable.value for variable in layer.non_trainable_variables]

    def total(value: Any) -> Any:
        output, _ = layer.stateless_call([], state, value, training=True)
        return output.sum(), output

    slope, output = jax.grad(total, has_aux=True)(x)
    return to_numpy(output), to_numpy(slope)
