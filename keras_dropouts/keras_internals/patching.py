"""Context managers that patch Keras in this thread and restore it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from keras_dropouts.keras_internals.call_stack import name_scopes
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.rate_attributes import CELL_MASKS, is_dropout_cell
from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.keras_internals.versions import private

_lock = threading.Lock()  # held while a function is put in place or taken away
_patched: dict[tuple[int, str], _Patched] = {}


class _Patched:
    """A function of a class or module, and what each thread calls in its place."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.original = private(owner, name, "replaced_in_thread")
        self.replacements: dict[int, list[Callable[..., Any]]] = {}

    def current(self) -> Callable[..., Any]:
        """Return what this thread calls."""
        mine = self.replacements.get(threading.get_ident())
        return mine[-1] if mine else self.original

    def install(self) -> None:
        """Put a function in place that asks which thread calls it."""

        @functools.wraps(self.original)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.current()(*args, **kwargs)

        setattr(self.owner, self.name, call)


@contextmanager
def replaced_in_thread(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace the function `name` of a class or module for the calls that come from this thread.

    `make` takes the function and returns what is called in its place. Other threads, which may
    train a model of their own meanwhile, go on calling the function itself, and may replace it for
    themselves.

    Raises:
        RuntimeError: if a class or module of Keras has no such function.
    """
    key, thread = (id(owner), name), threading.get_ident()
    with _lock:
        patched = _patched.get(key)
        if patched is None:
            patched = _patched[key] = _Patched(owner, name)
            patched.install()
        mine = patched.replacements.setdefault(thread, [])
    mine.append(make(patched.current()))
    try:
        yield
    finally:
        mine.pop()
        with _lock:
            if not mine:
                del patched.replacements[thread]
            if not patched.replacements:
                del _patched[key]
                setattr(owner, name, patched.original)


@contextmanager
def restored_after_calls(model: Any) -> Iterator[None]:
    """Call `model` inside this, and what Keras keeps of a call is afterwards as it was.

    That is the losses and call flags of its layers, and the dropout masks that recurrent cells keep
    between the time steps of a call. What the calls of this thread add no other thread sees, and it
    is gone after the block: tensors of a traced graph must not stay behind. It is also the names
    around a layer: a layer whose name TensorFlow refuses leaves it behind, and every variable that
    is made later would have it in its path. Relies on `Layer._called` and `Layer._losses`, since
    Keras 3.0.
    """
    names = len(name_scopes())
    try:
        with overlaid_in_thread(each for layer in parts(model) for each in _kept_of_calls(layer)):
            yield
    finally:
        del name_scopes()[names:]


def _kept_of_calls(layer: Any) -> Iterator[tuple[Any, str, Any]]:
    yield layer, "_called", private(layer, "_called", "restored_after_calls")
    yield layer, "_losses", list(private(layer, "_losses", "restored_after_calls"))
    if is_dropout_cell(layer):
        yield from ((layer, name, None) for name in CELL_MASKS)


def with_attributes(thing: Any, **attributes: Any) -> AbstractContextManager[None]:
    """Give an object other attributes inside this block, in this thread alone.

    Keras's tracking, which would take a tensor for state, does not see them.
    """
    return overlaid_in_thread((thing, name, value) for name, value in attributes.items())
