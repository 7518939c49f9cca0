"""Holds the thresholds of prediction intervals that conformal prediction found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.fitted_again import fitted_for, known_of
from keras_dropouts.uncertainty.given_prediction import read
from keras_dropouts.uncertainty.served_decisions import readable


@dataclass(frozen=True)
class ConformalIntervals:
    """Intervals of numbers, in which the true one is with the probability `coverage` or more.

    That is the probability over calibration rows and a new row of the same kind together. It is
    called on a prediction as `evaluate` takes it (with "scaled" one that has a standard deviation,
    or `std`) and returns (lower, upper).

    coverage: the probability; method: "absolute" (mean ± threshold), "scaled" (mean ± threshold *
    std) or "quantile" (two units, a lower and an upper quantile, each moved out by the threshold:
    the ends have the last axis 1); threshold: the score, or of an output of shape (..., D) with
    D > 1 one for each unit, in a tuple, so that each unit is covered as often; floor: the least
    standard deviation that counts; samples, rows: as in `ConformalSets`.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> numbers = np.array([1.0, 2.0, 3.0, 4.0])
    >>> intervals = kd.uncertainty.conformal(numbers, y=numbers + 0.5, coverage=0.75)
    >>> intervals(numbers[:2])
    (array([0.5, 1.5]), array([1.5, 2.5]))
    """

    coverage: float
    method: str
    threshold: float | tuple[float, ...]
    floor: float = 0.0
    samples: int | None = None
    rows: int = 0
    refit: Callable[[int | None], ConformalIntervals] | None = field(
        default=None, compare=False, repr=False
    )

    def __call__(
        self, prediction: Any, std: Any = None, output: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and the upper ends, of the shape of the mean."""
        given = read(prediction, output)
        spread = given.std if std is None else np.asarray(std)
        if spread is None and given.samples is not None:
            spread = np.std(given.samples, axis=0, dtype="float64")
        if self.method == "scaled" and spread is None:
            raise invalid("std", "standard deviations, or a prediction with samples", None)
        self.check(given.mean.shape, output or "prediction")
        found = self.served(given.mean, spread)
        return found["lower"], found["upper"]

    @property
    def endings(self) -> tuple[str, ...]:
        """How the outputs of an artifact end that have it; see `ServedDecision`."""
        return ("lower", "upper")

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean; see `ServedDecision`."""
        return frozenset({"std"} if self.method == "scaled" else ())

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"lower": ..., "upper": ...}; see `ServedDecision`."""
        reach: Any = self.threshold
        if isinstance(reach, tuple):
            reach = np.asarray(reach, "float64" if mean.dtype == np.float64 else "float32")
            reach = ops.cast(reach, mean.dtype) if xp is ops else reach
        if self.method == "quantile":
            return {"lower": mean[..., :1] - reach, "upper": mean[..., 1:] + reach}
        half = reach
        if self.method == "scaled":
            half = xp.maximum(std, xp.ones_like(std) * self.floor) * reach
        return {"lower": mean - half, "upper": mean + half}

    def margin(
        self, mean: Any, std: Any = None, mutual_information: Any = None
    ) -> dict[str, np.ndarray]:
        """Return nothing: no decision is made; see `ServedDecision`."""
        return {}

    def for_samples(self, samples: int | None) -> ConformalIntervals:
        """Return the intervals for the mean of so many samples; see `ServedDecision`."""
        return fitted_for(self, samples)

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has other units."""
        if self.method == "quantile" and (len(shape) < 2 or shape[-1] != 2):
            expected = f"what fits output {name!r}, of shape {shape}: two quantiles have two units"
            raise invalid("calibration", expected, self)
        units = len(self.threshold) if isinstance(self.threshold, tuple) else 1
        found = shape[-1] if len(shape) > 1 else 1
        if self.method != "quantile" and found not in (None, units):
            expected = f"what fits output {name!r}, of shape {shape}; this one is for {units} units"
            raise invalid("calibration", expected, self)

    def to_dict(self) -> dict[str, Any]:
        """Return the intervals as JSON can hold them."""
        return {"kind": "conformal_intervals", **known_of(self)}


def _intervals(given: dict[str, Any]) -> ConformalIntervals:
    known = {k: x for k, x in given.items() if k != "kind"}
    if isinstance(known["threshold"], list):
        known["threshold"] = tuple(known["threshold"])
    return ConformalIntervals(**known)


readable("conformal_intervals", _intervals)
