"""Calibrates class probabilities by functions that only rise, one for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.registry import register
from keras_dropouts.uncertainty.calibration_layer import (
    Calibration,
    check_classes,
    narrowed,
    widened,
)
from keras_dropouts.uncertainty.served_decisions import readable

MOST_KNOTS = 64  # of one class; what an artifact computes grows with them
_FLOOR = 1e-6  # what a class that was never seen at a probability gets, before all are normalised


@register
class IsotonicScaling(Calibration):
    """Maps the probability of each class by a function that only rises, and normalises the rest.

    Between the knots the functions are straight lines, and constant beyond them. Each is at least
    1e-6, so that no class becomes impossible.

    Args:
        knots: For each class a list of pairs (probability, calibrated probability), both rising.
        **kwargs: `name` and `dtype`, as for any Keras layer.

    Input shape: (..., C) probabilities of C classes, or (..., 1) of the second of two.
    Output shape: the same.

    Raises:
        ValueError: if `knots` are none.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> rises = [(0.0, 0.2), (1.0, 0.8)]
    >>> scale = kd.uncertainty.IsotonicScaling([rises, rises])
    >>> scale.scaled(np.array([[0.0, 1.0], [0.5, 0.5]]), np).round(3)
    array([[0.2, 0.8],
           [0.5, 0.5]])

    Reference:
        Zadrozny and Elkan, 2002, "Transforming classifier scores into accurate multiclass
        probability estimates".
    """

    def __init__(self, knots: Sequence[Sequence[Sequence[float]]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        try:
            self.knots = [np.asarray(each, "float64").reshape(-1, 2) for each in knots]
        except (TypeError, ValueError) as error:
            raise invalid("knots", "a list of pairs of numbers for each class", knots) from error
        rises = [len(each) > 0 and bool((np.diff(each, axis=0) >= 0).all()) for each in self.knots]
        if len(rises) < 2 or not all(rises):
            raise invalid("knots", "rising pairs of numbers for two or more classes", knots)
        self.classes = len(self.knots)

    def scaled(self, predictions: Any, xp: Any) -> Any:
        """Return the calibrated probabilities."""
        p = widened(predictions, xp)
        starts, widths, rises, first = self._segments()
        if xp is ops:
            starts, widths, rises, first = (
                ops.cast(x, p.dtype) for x in (starts, widths, rises, first)
            )
        shares = xp.clip((p[..., None] - starts) / widths, 0.0, 1.0)
        mapped = xp.maximum(xp.sum(shares * rises, axis=-1) + first, xp.ones_like(p) * _FLOOR)
        return narrowed(mapped / xp.sum(mapped, axis=-1, keepdims=True), predictions)

    def _segments(self) -> tuple[np.ndarray, ...]:
        """Return starts, widths and rises of the lines, (C, K), and the first values, (C,).

        A line is at least as wide as float32 can tell, so that no quotient of it overflows.
        """
        most = max(max(len(each) for each in self.knots) - 1, 1)
        starts, rises = np.zeros((2, len(self.knots), most), "float32")
        widths = np.ones_like(starts)
        for i, each in enumerate(self.knots):
            x, y = each.T
            width = np.diff(x)
            wide = width > 0
            count = int(wide.sum())
            starts[i, :count], rises[i, :count] = x[:-1][wide], np.diff(y)[wide]
            least = np.maximum(1e-7 * np.abs(x[1:]), 1e-30)
            widths[i, :count] = np.maximum(width, least)[wide]
        return starts, widths, rises, np.array([each[0, 1] for each in self.knots], "float32")

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has other classes."""
        check_classes(self, shape, name, len(self.knots))

    def numbers(self) -> dict[str, Any]:
        """Return the knots."""
        return {"knots": [each.tolist() for each in self.knots]}


readable("IsotonicScaling", lambda given: IsotonicScaling(given["knots"]))


def fitted_knots(x: np.ndarray, y: np.ndarray, most: int | None = MOST_KNOTS) -> np.ndarray:
    """Return the knots (K, 2) of the rising function of x that is closest to y in squares.

    It is constant on blocks, found by pooling neighbours that fall, and a straight line between
    them. Where there are more than `most` knots, those are kept that share the rows evenly.

    Reference:
        Ayer, Brunk, Ewing, Reid and Silverman, 1955, "An empirical distribution function for
        sampling with incomplete information".
    """
    values, group = np.unique(x, return_inverse=True)
    weights = np.bincount(group).astype("float64")
    sums = np.bincount(group, weights=y)
    # A block: its sum, its weight, and the numbers of its first and last value.
    blocks: list[tuple[float, float, int, int]] = []
    for i in range(len(values)):
        total, weight, first = float(sums[i]), float(weights[i]), i
        while blocks and blocks[-1][0] * weight >= total * blocks[-1][1]:
            before = blocks.pop()
            total, weight, first = total + before[0], weight + before[1], before[2]
        blocks.append((total, weight, first, i))
    knots, rows = [], []
    for total, weight, first, last in blocks:
        ends = (first,) if first == last else (first, last)
        knots += [(values[end], total / weight) for end in ends]
        rows += [weight / len(ends)] * len(ends)
    found = np.array(knots)
    if most is None or len(found) <= most:
        return found
    share = np.cumsum(rows) / np.sum(rows)
    inner = np.searchsorted(share, np.linspace(0.0, 1.0, most)[1:-1])
    return found[np.unique([0, *inner, len(found) - 1])]
