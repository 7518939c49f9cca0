"""Finds private parts of Keras, and makes the one error for a Keras that lacks one of them."""

from __future__ import annotations

import importlib
from typing import Any

import keras

TESTED = ("3.10", "3.15")
"""The oldest and the newest minor version of Keras that the tests run with."""


def unsupported(what: str) -> RuntimeError:
    """Return the error for a Keras that this package does not know; the caller raises it.

    what: the function of ours and the part of Keras that it needs, "`f` needs `g`".
    """
    oldest, newest = TESTED
    return RuntimeError(
        f"{what}, which Keras {keras.__version__} does not have. keras_dropouts is tested with "
        f"Keras {oldest} to {newest}: install one of these, or a newer keras_dropouts."
    )


def private(thing: Any, name: str, function: str) -> Any:
    """Return an attribute of a Keras object on which `function` of ours relies.

    Raises:
        RuntimeError: if the object has no such attribute.
    """
    try:
        return getattr(thing, name)
    except AttributeError:
        owner = thing if isinstance(thing, type) else type(thing)
        raise unsupported(f"`{function}` needs `{owner.__name__}.{name}`") from None


def first_of(function: str, *paths: str) -> Any:
    """Return the first of these that the Keras that runs has; it moved from one to the other.

    function: the function of ours that needs it; paths: "module:name", the newest first.

    Raises:
        RuntimeError: if it is in none of these places.
    """
    for path in paths:
        module, name = path.split(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue  # in this version of Keras it is in one of the other places
    raise unsupported(f"`{function}` needs `{paths[0].replace(':', '.')}`")
