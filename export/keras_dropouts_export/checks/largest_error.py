"""Measures the largest absolute difference of two arrays, for every comparison here."""

from __future__ import annotations

import math

import numpy as np


def largest_error(got: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest absolute difference, infinity where shapes or NaN places differ.

    Integers, booleans and strings differ by 0 or by infinity.
    """
    if got.shape != wanted.shape:
        return math.inf
    if not wanted.size:
        return 0.0
    if wanted.dtype.kind in "biuSUO":
        return 0.0 if np.array_equal(got, wanted) else math.inf
    left, right = got.astype("float64"), wanted.astype("float64")
    equal = (left == right) | (np.isnan(left) & np.isnan(right))
    if not np.array_equal(np.isfinite(left), np.isfinite(right)):
        return math.inf
    with np.errstate(invalid="ignore"):
        return float(np.where(equal, 0.0, np.abs(left - right)).max())
