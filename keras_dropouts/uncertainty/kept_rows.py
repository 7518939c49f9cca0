"""Takes the rows that a mask keeps out of arrays, and out of what an artifact serves with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.checked_arrays import same_shape
from keras_dropouts.uncertainty.given_prediction import described


def kept(mask: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a mask of `shape` as flat booleans, None for none.

    Raises:
        ValueError: if it has another type or shape.
    """
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.dtype != bool or not same_shape(array.shape, shape):
        raise invalid("mask", f"booleans of shape {shape}", described(array))
    return array.reshape(-1)


def rows_of(array: np.ndarray, keep: np.ndarray | None, axis: int = 0) -> np.ndarray:
    """Return the rows that are kept, which lie along `axis`."""
    return array if keep is None else np.compress(keep, array, axis=axis)


def units_of(shape: tuple[int, ...], keep: np.ndarray | None) -> np.ndarray | None:
    """Return the row of data that each label is a part of, or None for a label a row."""
    parts = int(np.prod(shape[1:]))
    if parts == 1 and keep is None:
        return None
    return rows_of(np.repeat(np.arange(shape[0]), parts), keep)


def served_flags(
    served: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], keep: np.ndarray | None
) -> np.ndarray | None:
    """Return the booleans of `<name>_set` or `<name>_accept` for the rows that are kept.

    Raises:
        ValueError: if they have another type or shape.
    """
    found = served.get(name)
    if found is None:
        return None
    size = shape[-1:] if name == "set" else ()
    if found.dtype != bool or not same_shape(found.shape, shape):
        raise invalid(f"<name>_{name}", f"booleans of shape {shape}", described(found))
    return rows_of(found.reshape(-1, *size), keep)


def served_interval(
    served: Mapping[str, np.ndarray], shape: tuple[int, ...], keep: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return `<name>_lower` and `<name>_upper` for the rows that are kept, None without them.

    Raises:
        ValueError: if they have another shape, or are NaN.
    """
    if not {"lower", "upper"} <= served.keys():
        return None, None
    for name in ("lower", "upper"):
        end = served[name]
        if not same_shape(end.shape, shape) or np.isnan(end).any():
            raise invalid(f"<name>_{name}", f"numbers of shape {shape}", described(end))
    low, high = (served[name].reshape(-1).astype("float64") for name in ("lower", "upper"))
    return rows_of(low, keep), rows_of(high, keep)
