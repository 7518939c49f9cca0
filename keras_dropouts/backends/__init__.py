"""Picks the module of the backend that Keras runs on, and offers its functions.

Each backend has one module with the same functions, and no other file of this package imports a
backend. A module is imported when one of its functions is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}

try:
    import keras
except ModuleNotFoundError as error:
    if error.name not in _PACKAGES:
        raise
    raise ModuleNotFoundError(
        f"Keras is set to run on the backend {error.name!r}, which is not installed: run "
        f"`pip install {_PACKAGES[error.name]}`, or set the environment variable KERAS_BACKEND to "
        f"a backend that is, one of {', '.join(_PACKAGES)}.",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from keras_dropouts.backends.tensorflow import (
        bits,
        compiled,
        masked,
        read,
        sample_bits,
        traced_operations,
    )

__all__ = ["bits", "compiled", "masked", "read", "sample_bits", "traced_operations"]


def __getattr__(name: str) -> Any:
    """Return a function of the backend that runs, and keep it here for the next time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    backend = keras.backend.backend()
    if backend not in _PACKAGES:
        raise ModuleNotFoundError(
            f"keras_dropouts draws random numbers on the backends {', '.join(_PACKAGES)}, and "
            f"Keras runs on {backend!r}: set the environment variable KERAS_BACKEND to one of them."
        )
    globals()[name] = getattr(importlib.import_module(f"{__name__}.{backend}"), name)
    return globals()[name]
