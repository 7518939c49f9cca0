"""For the time of a block: functions of Keras replaced in this thread; layers put back after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

# Held while anything is replaced: two threads would put back each other's functions.
LOCK = threading.RLock()


@contextmanager
def replaced_here(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace the function `name` of a class or module for the calls that come from this thread.

    `make` takes the function and returns what is called in its place. Other threads, which may
    train a model of their own meanwhile, go on calling the function itself.
    """
    thread = threading.get_ident()
    with LOCK:
        original = getattr(owner, name)
        replacement = make(original)

        def call(*args: Any, **kwargs: Any) -> Any:
            chosen = replacement if threading.get_ident() == thread else original
            return chosen(*args, **kwargs)

        setattr(owner, name, call)
        try:
            yield
        finally:
            setattr(owner, name, original)


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Call `model` inside this, and its losses and call flags are afterwards as they were."""
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            stack.enter_context(_as_it_was(layer))
        yield


@contextmanager
def _as_it_was(layer: Any) -> Iterator[None]:
    called, losses = layer._called, list(layer._losses)
    try:
        yield
    finally:
        layer._called = called
        layer._losses.clear()  # tensors of a traced graph must not stay behind
        layer._losses.extend(losses)
