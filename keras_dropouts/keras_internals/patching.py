"""Context managers that patch Keras in this thread and restore it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.versions import private

# Held while anything is patched: two threads would restore each other's functions.
LOCK = threading.RLock()


@contextmanager
def replaced_in_thread(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace the function `name` of a class or module for the calls that come from this thread.

    `make` takes the function and returns what is called in its place. Other threads, which may
    train a model of their own meanwhile, go on calling the function itself.

    Raises:
        RuntimeError: if a class or module of Keras has no such function.
    """
    thread = threading.get_ident()
    with LOCK:
        original = private(owner, name, "replaced_in_thread")
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
def restored_after_calls(model: Any) -> Iterator[None]:
    """Call `model` inside this, and its losses and call flags are afterwards as they were.

    Relies on `Layer._called` and `Layer._losses`, since Keras 3.0.
    """
    with ExitStack() as stack:
        for layer in parts(model):
            stack.enter_context(_restored(layer))
        yield


@contextmanager
def _restored(layer: Any) -> Iterator[None]:
    called = private(layer, "_called", "restored_after_calls")
    held = private(layer, "_losses", "restored_after_calls")
    losses = list(held)
    try:
        yield
    finally:
        layer._called = called
        held.clear()  # tensors of a traced graph must not stay behind
        held.extend(losses)


@contextmanager
def with_attributes(thing: Any, **attributes: Any) -> Iterator[None]:
    """Give an object other attributes inside this block.

    They are written past Keras's tracking, which would take a tensor for state.
    """
    before = {name: vars(thing)[name] for name in attributes if name in vars(thing)}
    vars(thing).update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del vars(thing)[name]
        vars(thing).update(before)
