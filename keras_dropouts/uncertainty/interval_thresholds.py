"""Finds the thresholds of conformal intervals, one for each number along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.conformal_scores import threshold_of
from keras_dropouts.uncertainty.given_prediction import Given, described
from keras_dropouts.uncertainty.unit_rows import unit_rows

_FLOOR = 1e-6  # of a standard deviation, as a part of the median one


def interval_thresholds(
    given: Given, y: Any, coverage: float, method: str, std: Any, mask: Any
) -> tuple[float | tuple[float, ...], float, int]:
    """Return the threshold, the least deviation that counts, and how many rows they are of.

    Of D > 1 units along the last axis each has a threshold of its own, in a tuple.

    The scores are |y - m| ("absolute"), |y - m| / max(s, floor) ("scaled") and max(a - y, y - b)
    for the quantiles a and b ("quantile"). The floor is a millionth of the median s: some rows may
    have none, such as those that no dropped unit reaches.

    Raises:
        ValueError: if predictions and numbers do not fit, or there are too few rows.
    """
    floor = 0.0
    if method == "quantile":
        scores = [_outside(given.mean, y, mask)]
    else:
        rows = unit_rows(given, y, std=std, mask=mask)
        scores = [np.abs(a - b) for a, b in zip(rows.mean, rows.y, strict=True)]
        if method == "scaled":
            if rows.std is None:
                expected = "a prediction with standard deviations: samples, or `std`"
                raise invalid("prediction", expected, "one without")
            floor = _FLOOR * float(np.median(np.concatenate(rows.std)))
            if floor <= 0.0:
                shown = "half of them or more are 0"
                raise invalid("prediction", "standard deviations above 0", shown)
            pairs = zip(scores, rows.std, strict=True)
            scores = [apart / np.maximum(spread, floor) for apart, spread in pairs]
    limits = tuple(threshold_of(each, coverage) for each in scores)
    return limits if len(limits) > 1 else limits[0], floor, min(map(len, scores))


def _outside(mean: np.ndarray, y: Any, mask: Any) -> np.ndarray:
    if mean.ndim < 2 or mean.shape[-1] != 2:
        expected = "two quantiles for each label, of shape (N, 2)"
        raise invalid("prediction", expected, described(mean))
    low, high = (unit_rows(Given(mean[..., i : i + 1]), y, mask=mask) for i in (0, 1))
    return np.maximum(low.mean[0] - low.y[0], high.y[0] - high.mean[0])
