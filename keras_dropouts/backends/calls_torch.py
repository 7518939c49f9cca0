"""Tells on PyTorch what runs around a call of a layer: a compilation or a recomputation."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.utils.checkpoint

from keras_dropouts.backends.recomputation import Memory


def is_compiling() -> bool:
    """Return whether PyTorch compiles the Python code that runs."""
    return bool(torch.compiler.is_compiling())


def trace() -> tuple[Any, Any]:
    """Return what is traced now: PyTorch runs eagerly."""
    return None, None


def is_compiled_by_xla() -> bool:
    """Return whether XLA compiles what runs: not on PyTorch."""
    return False


def outside_inner_traces(variable: Any, pure: bool) -> contextlib.AbstractContextManager[Any]:
    """Do nothing: PyTorch traces nothing."""
    return contextlib.nullcontext()


def numbered_by_loops(number: int) -> Any:
    """Return the number itself: PyTorch's loops run in Python."""
    return number


_CHECKPOINT = torch.utils.checkpoint.__file__


def recomputations() -> list[tuple[Memory, Any]]:
    """Return the runs of `torch.utils.checkpoint` under way, the innermost first.

    Each is its memory, and None in the forward pass or, in a recomputation, the number of the
    backward pass. They are found on the stack of Python's calls: it holds the object that PyTorch
    keeps for a run from the forward to the backward pass, and the memory is hung on that.
    """
    found = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name in _RUNS and code.co_filename == _CHECKPOINT:
            keeper = _RUNS[code.co_name](frame.f_locals)
            if keeper is not None:
                again = code.co_name in ("backward", "unpack_hook")
                memory = keeper.__dict__.setdefault("_keras_dropouts_memory", Memory())
                found.append((memory, torch._C._current_graph_task_id() if again else None))
        frame = frame.f_back
    return found


def _of_generator(known: dict[str, Any]) -> Any:
    generator = known.get("gen")  # there is none where `use_reentrant` is true
    return None if generator is None else generator.gi_frame.f_locals.get("new_frame")


# How the object that PyTorch keeps is found among the local variables of its functions.
_RUNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "forward": lambda known: known.get("ctx"),
    "backward": lambda known: known.get("ctx"),
    "checkpoint": _of_generator,
    "unpack_hook": lambda known: known.get("frame"),
}


def in_backward_pass() -> bool:
    """Return whether a backward pass is running, in which a call can only be a recomputation."""
    return bool(torch._C._current_graph_task_id() != -1)
