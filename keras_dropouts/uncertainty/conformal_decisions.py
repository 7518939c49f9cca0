"""Holds what conformal prediction found: the thresholds of prediction sets and of intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.calibration_layer import Calibration, check_classes, widened
from keras_dropouts.uncertainty.checked_arrays import class_probabilities
from keras_dropouts.uncertainty.conformal_scores import set_scores
from keras_dropouts.uncertainty.given_prediction import read
from keras_dropouts.uncertainty.served_decisions import from_json, readable, to_json

ANY = -1  # the `samples` of what was fitted on an array, of which nobody knows how it was made

Fitted = TypeVar("Fitted", "ConformalSets", "ConformalIntervals")


@dataclass(frozen=True)
class ConformalSets:
    """Sets of classes, in which the true one is with the probability `coverage` or more.

    That is the probability over calibration rows and a new row of the same kind together. It is
    called on probabilities of shape (..., C), or a prediction as `evaluate` takes it, and returns
    booleans of the same shape; (..., 1) gives (..., 2).

    coverage: the probability; method: "lac", "aps" or "raps"; thresholds: one score, or one for
    each class; penalty, free: of "raps"; calibration: what scales the probabilities first, or None;
    samples: of how many samples of dropout the mean is that the thresholds are for, None for a
    prediction without dropout, -1 where that is not known; rows: how many they were found with.
    """

    coverage: float
    method: str
    thresholds: tuple[float, ...]
    penalty: float = 0.0
    free: int = 1
    calibration: Calibration | None = None
    samples: int | None = None
    rows: int = 0
    classes: int = 0
    refit: Callable[[int | None], ConformalSets] | None = field(
        default=None, compare=False, repr=False
    )

    def __call__(self, prediction: Any, output: str | None = None) -> np.ndarray:
        """Return which classes are in the set of each row, booleans of shape (..., C)."""
        p = class_probabilities(read(prediction, output).mean)
        return np.asarray(self.served(p)["set"])

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean; see `ServedDecision`."""
        return frozenset()

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"set": which classes are in the set}; see `ServedDecision`."""
        scores = self._scores(mean, xp)
        limits = np.asarray(self.thresholds, "float64" if xp is np else "float32")
        return {"set": scores <= (ops.cast(limits, scores.dtype) if xp is ops else limits)}

    def margin(
        self, mean: Any, std: Any = None, mutual_information: Any = None
    ) -> dict[str, np.ndarray]:
        """Return {"set": how far the scores are from the threshold}; see `ServedDecision`.

        Where the order of classes counts, also how far a probability is from the next one.
        """
        apart = np.abs(self._scores(mean, np) - np.asarray(self.thresholds))
        if self.method != "lac":
            p = self._probabilities(mean, np)
            order = np.argsort(p, axis=-1)
            rising = np.take_along_axis(p, order, axis=-1)
            steps = np.diff(rising, axis=-1, prepend=-np.inf, append=np.inf)
            nearest = np.minimum(steps[..., :-1], steps[..., 1:])
            ranks = np.argsort(order, axis=-1)
            apart = np.minimum(apart, np.take_along_axis(nearest, ranks, axis=-1))
        return {"set": apart}

    def _probabilities(self, mean: Any, xp: Any) -> Any:
        p = widened(mean, xp)
        return p if self.calibration is None else self.calibration.scaled(p, xp)

    def _scores(self, mean: Any, xp: Any) -> Any:
        return set_scores(self._probabilities(mean, xp), self.method, self.penalty, self.free, xp)

    def for_samples(self, samples: int | None) -> ConformalSets:
        """Return the sets for the mean of so many samples; see `ServedDecision`."""
        return fitted_for(self, samples)

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has other classes."""
        check_classes(self, shape, name, self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the sets as JSON can hold them."""
        return {"kind": "conformal_sets", **_known(self)}


@dataclass(frozen=True)
class ConformalIntervals:
    """Intervals of numbers, in which the true one is with the probability `coverage` or more.

    That is the probability over calibration rows and a new row of the same kind together. It is
    called on a prediction as `evaluate` takes it (with "scaled" one that has a standard deviation,
    or `std`) and returns (lower, upper).

    coverage: the probability; method: "absolute" (mean ± threshold), "scaled" (mean ± threshold *
    std) or "quantile" (two units, a lower and an upper quantile, each moved out by the threshold:
    the ends have the last axis 1); threshold: the score; samples, rows: as in `ConformalSets`.
    """

    coverage: float
    method: str
    threshold: float
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
        if self.method == "scaled" and spread is None:
            raise invalid("std", "standard deviations, or a prediction with samples", None)
        found = self.served(given.mean, spread)
        return found["lower"], found["upper"]

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean; see `ServedDecision`."""
        return frozenset({"std"} if self.method == "scaled" else ())

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"lower": ..., "upper": ...}; see `ServedDecision`."""
        if self.method == "quantile":
            return {
                "lower": mean[..., :1] - self.threshold,
                "upper": mean[..., 1:] + self.threshold,
            }
        half = std * self.threshold if self.method == "scaled" else self.threshold
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
        """Raise a clear error where an output of this shape is no pair of quantiles."""
        if self.method == "quantile" and (len(shape) < 2 or shape[-1] != 2):
            expected = f"what fits output {name!r}, of shape {shape}: two quantiles have two units"
            raise invalid("calibration", expected, self)

    def to_dict(self) -> dict[str, Any]:
        """Return the intervals as JSON can hold them."""
        return {"kind": "conformal_intervals", **_known(self)}


def fitted_for(decision: Fitted, samples: int | None) -> Fitted:
    """Return a decision for the mean of so many samples, fitted again where it is for others.

    Raises:
        ValueError: if the data are not at hand.
    """
    if decision.samples in (ANY, samples):
        return decision
    if decision.refit is None:
        wanted = "a prediction without dropout" if samples is None else f"{samples} samples"
        made = "none" if decision.samples is None else f"{decision.samples} samples"
        way_out = "Make it by `conformal(model, x, y, ...)`, which keeps the data to fit it again."
        expected = f"conformal prediction that was fitted on {wanted}: coverage holds for these"
        raise invalid("calibration", expected, f"one fitted on {made}", way_out)
    return decision.refit(samples)


def _known(decision: Any) -> dict[str, Any]:
    found = {k: x for k, x in vars(decision).items() if k != "refit"}
    scale = found.get("calibration")
    if scale is not None:
        found["calibration"] = to_json([scale])
    return found


def _sets(given: dict[str, Any]) -> ConformalSets:
    known = {k: x for k, x in given.items() if k != "kind"}
    scale = known["calibration"]
    known["calibration"] = None if scale is None else from_json(scale)[0]
    known["thresholds"] = tuple(known["thresholds"])
    return replace(ConformalSets(0.5, "lac", (0.0,)), **known)


def _intervals(given: dict[str, Any]) -> ConformalIntervals:
    return ConformalIntervals(**{k: x for k, x in given.items() if k != "kind"})


readable("conformal_sets", _sets)
readable("conformal_intervals", _intervals)
