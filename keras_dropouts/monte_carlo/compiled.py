"""A pure function of tensors, compiled in the way of the backend that runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import keras


def compiled(function: Callable[..., Any], model: Any) -> Callable[..., Any]:
    """Return `function` compiled: it calls layers of `model` and changes none of their variables.

    What it takes and returns are structures of tensors and Nones. Weights that change later are
    seen by later calls.
    """
    return _COMPILE[keras.backend.backend()](function, weakref.ref(model))


def traced_operations() -> list[Any]:
    """Return what is in the graph that TensorFlow traces now; nothing elsewhere."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    if tf.executing_eagerly():
        return []
    return list(tf.compat.v1.get_default_graph().get_operations())


def _tensorflow(function: Callable[..., Any], model: Any) -> Callable[..., Any]:
    import tensorflow as tf

    traced = tf.function(function, autograph=False, reduce_retracing=True)
    # TensorFlow would take the functions of several models for one that it traces too often.
    traced._omit_frequent_tracing_warning = True
    return traced


def _jax(function: Callable[..., Any], model: Any) -> Callable[..., Any]:
    import jax

    def pure(weights: list[Any], *arguments: Any) -> Any:
        # Handed in, not closed over: XLA would make constants of them.
        mapping = list(zip(model().variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*arguments)

    jitted = jax.jit(pure)
    return lambda *arguments: jitted([v.value for v in model().variables], *arguments)


def _torch(function: Callable[..., Any], model: Any) -> Callable[..., Any]:
    import torch

    return torch.no_grad()(function)


_COMPILE = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
