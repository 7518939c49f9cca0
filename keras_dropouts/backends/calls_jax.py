"""Tells on JAX what runs around a call of a layer: a trace, and the traces inside that."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
from jax._src import core  # the public part does not tell what is traced

from keras_dropouts.backends.recomputation import Memory


def is_compiling() -> bool:
    """Return whether PyTorch compiles the Python code that runs: not on JAX."""
    return False


def trace() -> tuple[Any, Any]:
    """Return what is traced now, (None, None) when running eagerly."""
    running = core.trace_ctx.trace
    return (None, None) if isinstance(running, core.EvalTrace) else (running, None)


def is_compiled_by_xla() -> bool:
    """Return whether XLA compiles what runs: where JAX traces it, it does."""
    return trace()[0] is not None


def outside_inner_traces(variable: Any, pure: bool) -> contextlib.AbstractContextManager[Any]:
    """Compute what is inside this block where the value of a variable was computed.

    A tracer of `jax.checkpoint`, of a loop or of a branch must not become the value of a variable:
    it is unknown outside. pure: whether a pure function was handed the variable; otherwise JAX has
    to see that the change of a variable is a side effect.
    """
    value = variable.value
    if not pure:
        return contextlib.nullcontext()
    if isinstance(value, jax.core.Tracer):
        return core.set_current_trace(value._trace)
    return jax.ensure_compile_time_eval()


def numbered_by_loops(number: int) -> Any:
    """Return the number itself: JAX does not tell the turns of a loop that it traces."""
    return number


def recomputations() -> list[tuple[Memory, Any]]:
    """Return nothing: JAX computes again what it traced, and runs no Python code for it."""
    return []


def in_backward_pass() -> bool:
    """Return whether a backward pass is running: JAX runs no Python code in it."""
    return False
