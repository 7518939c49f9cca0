"""Finds the threshold from which on predictions are accepted, for a risk that is asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_dropouts.arguments import check_choice, invalid, is_real
from keras_dropouts.entropy import entropy
from keras_dropouts.uncertainty.checked_arrays import class_probabilities
from keras_dropouts.uncertainty.checked_input import Classes
from keras_dropouts.uncertainty.given_prediction import read
from keras_dropouts.uncertainty.scores import certainty
from keras_dropouts.uncertainty.selective import Selection
from keras_dropouts.uncertainty.served_decisions import readable


class Threshold(float):
    """The certainty from which on a prediction is accepted, a float.

    Certainty is the confidence, or minus the entropy, or minus the mutual information, so that
    more is always more certain: a threshold of the last two is not above 0. A row is accepted where
    its certainty is at least the threshold.

    score: "confidence", "entropy" or "mutual_information". risk: the share of accepted rows that
    were wrong in the data which the threshold was made of. coverage: the share of rows that was
    accepted. target: the risk that was asked for. confidence: the probability with which the risk
    of all data like these is at most `target`, or None where nothing was asked about it.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
    >>> threshold = kd.uncertainty.evaluate(p, [0, 0, 0, 1]).threshold(risk=0.1)
    >>> round(threshold, 3), threshold.score, threshold.risk, threshold.coverage
    (0.575, 'confidence', 0.0, 0.75)
    >>> threshold.accepts(p)
    array([ True,  True,  True, False])
    >>> assert kd.uncertainty.Threshold.from_dict(threshold.to_dict()) == threshold
    """

    score: str
    risk: float
    coverage: float
    target: float
    confidence: float | None

    def __new__(
        cls,
        value: float,
        score: str = "confidence",
        risk: float = math.nan,
        coverage: float = math.nan,
        target: float = math.nan,
        confidence: float | None = None,
    ) -> Threshold:
        """Return the float `value` with what is known of it."""
        self = super().__new__(cls, value)
        self.score, self.risk, self.coverage = score, risk, coverage
        self.target, self.confidence = target, confidence
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        known = (self.score, self.risk, self.coverage, self.target, self.confidence)
        return (float(self), *known)

    def __repr__(self) -> str:
        about = f"score={self.score!r}, risk={self.risk:.4g}, coverage={self.coverage:.4g}"
        return f"Threshold({float(self):.6g}, {about})"

    __str__ = __repr__

    endings = ("accept",)  # of the output of an artifact that has it

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean."""
        return frozenset({self.score} & {"mutual_information"})

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"accept": which predictions are certain enough}; see `ServedDecision`."""
        return {"accept": self._certainty(mean, mutual_information, xp) >= float(self)}

    def margin(
        self, mean: Any, std: Any = None, mutual_information: Any = None
    ) -> dict[str, np.ndarray]:
        """Return {"accept": how far each certainty is from the threshold}."""
        return {"accept": np.abs(self._certainty(mean, mutual_information, np) - float(self))}

    def _certainty(self, mean: Any, mutual_information: Any, xp: Any) -> Any:
        if self.score == "mutual_information":
            return -mutual_information
        if self.score == "entropy":
            return -entropy(mean, xp)
        both = mean if mean.shape[-1] > 1 else xp.concatenate([mean, 1.0 - mean], axis=-1)
        return xp.max(both, axis=-1)

    def for_samples(self, samples: int | None) -> Threshold:
        """Return the threshold as it is: it is a number, and was found by a prediction."""
        return self

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has no classes."""
        if len(shape) < 2:
            raise invalid(
                "calibration", "what fits the outputs: a threshold is for class probabilities", name
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the threshold as JSON can hold it."""
        known = (self.risk, self.coverage, self.target)
        risk, coverage, target = (None if math.isnan(x) else x for x in known)
        return {
            "kind": "threshold",
            "value": float(self),
            "score": self.score,
            "risk": risk,
            "coverage": coverage,
            "target": target,
            "confidence": self.confidence,
        }

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Threshold:
        """Return the threshold that `to_dict` described."""
        known = [given[name] for name in ("risk", "coverage", "target")]
        risk, coverage, target = (math.nan if x is None else x for x in known)
        return cls(given["value"], given["score"], risk, coverage, target, given["confidence"])

    def accepts(self, prediction: Any, output: str | None = None) -> np.ndarray:
        """Return which predictions are certain enough, booleans of their shape without the classes.

        Args:
            prediction: What `evaluate` takes: probabilities, a `MonteCarloPrediction`, or a dict of
                onnxruntime's outputs.
            output: The name of the output, where there are several.

        Raises:
            ValueError: if the prediction is none, or has no samples for the mutual information.
        """
        given = read(prediction, output)
        probabilities = class_probabilities(given.mean)
        shape, classes = probabilities.shape[:-1], probabilities.shape[-1]
        samples, information = given.samples, given.mutual_information
        if samples is not None:
            samples = samples[..., None] if given.mean.ndim == 1 else samples
            samples = class_probabilities(samples, "samples", widen=False)
            samples = samples.reshape(len(samples), -1, classes)
        flat = Classes(
            probabilities.reshape(-1, classes),
            np.zeros(math.prod(shape), "int64"),
            samples,
            None if information is None else information.reshape(-1).astype("float64"),
        )
        return (certainty(flat, self.score) >= float(self)).reshape(shape)


readable("threshold", Threshold.from_dict)


def find_threshold(
    selections: dict[str, Selection], risk: float, score: str, confidence: float | None
) -> Threshold:
    """Return the lowest threshold at which the risk is at most `risk`.

    Raises:
        ValueError: if an argument is none, or no threshold reaches the risk.
    """
    check_choice(score, "score", selections)
    if not is_real(risk) or not 0.0 <= risk <= 1.0:
        raise invalid(
            "risk", "a number from 0 to 1, the share of accepted rows that is wrong", risk
        )
    if confidence is not None and not (is_real(confidence) and 0.0 < confidence < 1.0):
        raise invalid("confidence", "None or a number above 0 and below 1", confidence)
    selection = selections[score]
    if confidence is None:
        found = selection.last_within(risk)
        least = f"The least risk of the rows that {score} finds most certain is"
        way_out = f"{least} {selection.risk.min():.4g}."
    else:
        found = _bounded(selection, risk, 1.0 - confidence)
        rows = f"{selection.accepted[-1]:.0f}"
        way_out = f"Allow a higher risk or less confidence, or take more than these {rows} rows."
    if found is None:
        with_confidence = "" if confidence is None else f" with confidence {confidence}"
        expected = f"a risk that some threshold of {score!r} reaches{with_confidence}"
        raise invalid("risk", expected, risk, way_out)
    return Threshold(
        _between(selection.certainty, found),
        score,
        float(selection.risk[found]),
        float(selection.coverage[found]),
        float(risk),
        confidence,
    )


def _between(certainties: np.ndarray, number: int) -> float:
    """Return a threshold half way to the next certainty: rounding moves no row over it."""
    last = float(certainties[number])
    if number + 1 == len(certainties):
        return last - 1e-6 * max(1.0, abs(last))
    middle = 0.5 * (last + float(certainties[number + 1]))
    return middle if certainties[number + 1] < middle else last


def _bounded(selection: Selection, risk: float, error: float) -> int | None:
    """Return a threshold whose risk is at most `risk` with the probability 1 - error.

    A binary search looks at k = ceil(log2 G) thresholds; each passes where the exact binomial
    (Clopper-Pearson) bound on its risk at 1 - error/k is at most `risk`.

    Reference:
        Geifman and El-Yaniv, 2017, "Selective classification for deep neural networks", algorithm
        1; Clopper and Pearson, 1934.
    """
    low, high, found = 0, len(selection.accepted) - 1, None
    looks = max(math.ceil(math.log2(len(selection.accepted) + 1)), 1)
    while low <= high:
        middle = (low + high) // 2
        rows, wrong = int(selection.accepted[middle]), round(selection.wrong[middle])
        if at_most(wrong, rows, risk) <= error / looks:
            found, low = middle, middle + 1
        else:
            high = middle - 1
    return found


def at_most(wrong: int, rows: int, risk: float) -> float:
    """Return the probability of at most `wrong` wrong rows, if each is wrong with `risk`.

    The upper Clopper-Pearson bound at 1 - d is at most `risk` where this is at most d. Where the
    share of wrong rows is above `risk`, 1 is returned in its place: it is above 1/2, or near it.
    """
    if risk <= 0.0 or wrong > risk * rows or wrong == rows:
        return 1.0
    if risk >= 1.0:
        return 0.0
    j = np.arange(wrong + 1, dtype="float64")
    # log C(n, j) is the sum of log((n - i + 1) / i) up to j
    choose = np.append(0.0, np.cumsum(np.log((rows - j[1:] + 1) / j[1:])))
    logs = choose + j * math.log(risk) + (rows - j) * math.log1p(-risk)
    top = logs.max()
    return min(float(np.exp(top) * np.exp(logs - top).sum()), 1.0)
