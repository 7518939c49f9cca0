"""One decorator that registers a class with Keras under this package's name, once."""

from __future__ import annotations

from typing import TypeVar

import keras

PACKAGE = "keras_dropouts"

_Class = TypeVar("_Class", bound=type)

_registered: dict[str, type] = {}


def register(cls: _Class) -> _Class:
    """Register `cls` with Keras as `keras_dropouts>NAME`, so that saved models find it.

    Keras lets a second class take a registered name in silence and gives it to every model that
    is loaded afterwards; here that is refused. The same class may come again, as it does when
    its module is reloaded: same module, same qualified name.

    Raises:
        ValueError: if another class has the name already, registered here or with Keras.

    Example:

    >>> @register
    ... class HalfDropout(BaseDropout): ...
    """
    name = f"{PACKAGE}>{cls.__name__}"
    holder = keras.saving.get_registered_object(name)
    if holder is not None and _identity(holder) != _identity(cls):
        raise ValueError(
            f"A class is registered as {name!r} already: {_identity(holder)}. "
            f"Received: {_identity(cls)}. Give it another name."
        )
    cls = keras.saving.register_keras_serializable(package=PACKAGE)(cls)
    _registered[name] = cls
    return cls


def registered() -> tuple[type, ...]:
    """Return the classes registered so far: layers and schedules, in the order of registration."""
    return tuple(_registered.values())


def _identity(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
