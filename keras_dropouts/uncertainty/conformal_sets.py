"""Holds the thresholds of prediction sets that conformal prediction found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.calibration_layer import Calibration, check_classes, widened
from keras_dropouts.uncertainty.checked_arrays import class_probabilities
from keras_dropouts.uncertainty.conformal_scores import set_scores
from keras_dropouts.uncertainty.fitted_again import fitted_for, known_of
from keras_dropouts.uncertainty.given_prediction import read
from keras_dropouts.uncertainty.served_decisions import from_json, readable


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

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    >>> sets = kd.uncertainty.conformal(p, y=[0, 0, 1, 1], coverage=0.6)
    >>> sets.method, round(sets.thresholds[0], 3), sets.rows
    ('lac', 0.3, 4)
    >>> sets(p[:2])
    array([[ True, False],
           [ True, False]])
    >>> sets.endings, sets.margin(p[:1])["set"].round(2), sets.needs
    (('set',), array([[0.22, 0.86]]), frozenset())
    >>> sets.served(p)["set"].sum(axis=1)
    array([1, 1, 1, 0])
    >>> sets.check((None, 2), "digit")  # an output of two classes: nothing to say
    >>> sets.for_samples(8) is sets  # nobody knows what made the probabilities
    True
    >>> sets.to_dict()["coverage"]
    0.6
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
        if p.shape[-1] != self.classes:
            expected = f"probabilities of {self.classes} classes, as it was fitted on"
            raise invalid("prediction", expected, f"shape {p.shape}")
        return np.asarray(self.served(p)["set"])

    @property
    def endings(self) -> tuple[str, ...]:
        """How the outputs of an artifact end that have it; see `ServedDecision`."""
        return ("set",)

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean; see `ServedDecision`."""
        return frozenset()

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"set": which classes are in the set}; see `ServedDecision`."""
        p = self._probabilities(mean, xp)
        if self.method == "lac":  # 1 - p loses what is left of a small p, in float32 before 1e-7
            return {"set": p >= _like(self._least(), p, xp)}
        scores = set_scores(p, self.method, self.penalty, self.free, xp)
        return {"set": scores <= _like(np.asarray(self.thresholds), scores, xp)}

    def margin(
        self, mean: Any, std: Any = None, mutual_information: Any = None
    ) -> dict[str, np.ndarray]:
        """Return {"set": how far the scores are from the threshold}; see `ServedDecision`.

        Of "lac" it is how far p_c and 1 - threshold are apart, as a part of the larger one. Where
        the order of classes counts, also how far a probability is from the next one, if that could
        turn the decision.
        """
        p = self._probabilities(mean, np)
        if self.method == "lac":
            least = np.broadcast_to(self._least(), p.shape)
            larger = np.maximum(np.maximum(np.abs(p), np.abs(least)), np.finfo("float32").tiny)
            return {"set": np.abs(p - least) / larger}
        scores = set_scores(p, self.method, self.penalty, self.free, np)
        apart = np.abs(scores - np.asarray(self.thresholds))
        order = np.argsort(p, axis=-1)
        rising = np.take_along_axis(p, order, axis=-1)
        steps = np.diff(rising, axis=-1, prepend=-np.inf, append=np.inf)
        nearest = np.minimum(steps[..., :-1], steps[..., 1:])
        ranks = np.argsort(order, axis=-1)
        ties = np.minimum(apart, np.take_along_axis(nearest, ranks, axis=-1))
        # Two classes that change places move a score by a probability and a penalty.
        apart = np.maximum(ties, apart - p - self.penalty)
        return {"set": apart}

    def _probabilities(self, mean: Any, xp: Any) -> Any:
        p = widened(mean, xp)
        return p if self.calibration is None else self.calibration.scaled(p, xp)

    def _least(self) -> np.ndarray:
        """Return the least probability in a set of "lac", rounded so that it is in."""
        return (1.0 - np.asarray(self.thresholds)) - 2.0**-53

    def for_samples(self, samples: int | None) -> ConformalSets:
        """Return the sets for the mean of so many samples; see `ServedDecision`."""
        return fitted_for(self, samples)

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has other classes."""
        check_classes(self, shape, name, self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the sets as JSON can hold them."""
        return {"kind": "conformal_sets", **known_of(self)}


def _like(numbers: np.ndarray, x: Any, xp: Any) -> Any:
    return ops.cast(numbers.astype("float32"), x.dtype) if xp is ops else numbers


def _sets(given: dict[str, Any]) -> ConformalSets:
    known = {k: x for k, x in given.items() if k != "kind"}
    scale = known["calibration"]
    known["calibration"] = None if scale is None else from_json(scale)[0]
    known["thresholds"] = tuple(known["thresholds"])
    return replace(ConformalSets(0.5, "lac", (0.0,)), **known)


readable("conformal_sets", _sets)
