"""Context manager that gives objects other attributes in one thread, which no other thread sees."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_MISSING: Any = object()
_lock = threading.Lock()  # held while an attribute of a class is put in place or taken away
_installed: dict[tuple[type, str], _Overlay] = {}


@contextmanager
def overlaid_in_thread(values: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Read and write other values of attributes inside this block, in this thread alone.

    A layer that another thread trains meanwhile is, for that thread, what it was: not for a moment
    does it have another rate. What this thread writes to such an attribute is gone after the block.

    For the time of the block the class of each object has a descriptor under the attribute's name,
    which asks which thread it is. It relies on Python alone.

    Args:
        values: (object, name of the attribute, value in this thread). An attribute that the object
            does not have yet can be given as well.
    """
    thread = threading.get_ident()
    entered: list[tuple[_Overlay, Any, Any]] = []
    try:
        for thing, name, value in values:
            overlay = _install(type(thing), name)
            key = (thread, id(thing))
            entered.append((overlay, key, overlay.values.get(key, _MISSING)))
            overlay.values[key] = value
        yield
    finally:
        for overlay, key, before in reversed(entered):
            if before is _MISSING:
                overlay.values.pop(key, None)
            else:
                overlay.values[key] = before  # of a block around this one
            _release(overlay)


def _install(kind: type, name: str) -> _Overlay:
    with _lock:
        overlay = _installed.get((kind, name))
        if overlay is None:
            overlay = _installed[kind, name] = _Overlay(kind, name)
            type.__setattr__(kind, name, overlay)
        overlay.users += 1
        return overlay


def _release(overlay: _Overlay) -> None:
    with _lock:
        overlay.users -= 1
        if overlay.users:
            return
        del _installed[overlay.kind, overlay.name]
        if overlay.own is _MISSING:
            type.__delattr__(overlay.kind, overlay.name)
        else:
            type.__setattr__(overlay.kind, overlay.name, overlay.own)


class _Overlay:
    """The descriptor: `values` holds what threads see in place of the attribute itself."""

    def __init__(self, kind: type, name: str) -> None:
        self.kind, self.name = kind, name
        self.users = 0
        self.values: dict[tuple[int, int], Any] = {}
        self.own = vars(kind).get(name, _MISSING)  # what the class itself has under the name
        # What the attribute was found by before: a property or default of the class or its bases.
        self.inherited = next(
            (vars(base)[name] for base in kind.__mro__ if name in vars(base)), _MISSING
        )
        self.is_property = hasattr(type(self.inherited), "__set__")

    def _key(self, thing: Any) -> tuple[int, int]:
        return threading.get_ident(), id(thing)

    def __get__(self, thing: Any, owner: type) -> Any:
        if thing is not None:
            value = self.values.get(self._key(thing), _MISSING)
            if value is not _MISSING:
                return value
            if not self.is_property and self.name in vars(thing):
                return vars(thing)[self.name]
        if self.inherited is _MISSING:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}")
        find = getattr(type(self.inherited), "__get__", None)
        return self.inherited if find is None else find(self.inherited, thing, owner)

    def __set__(self, thing: Any, value: Any) -> None:
        key = self._key(thing)
        if key in self.values:
            self.values[key] = value
        elif self.is_property:
            self.inherited.__set__(thing, value)
        else:
            vars(thing)[self.name] = value

    def __delete__(self, thing: Any) -> None:
        key = self._key(thing)
        if key in self.values:
            self.values[key] = None
        elif self.is_property:
            self.inherited.__delete__(thing)
        elif self.name in vars(thing):
            del vars(thing)[self.name]
        else:
            raise AttributeError(self.name)
