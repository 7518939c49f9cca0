"""Measures on labelled data what the decisions of an artifact come to: coverage, and the risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.threshold import Threshold, at_most
from keras_dropouts_export.decided_outputs import DecidedOutputs
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.printable import printable

_ERROR = 0.05  # of the binomial interval


@dataclass(frozen=True)
class CoverageRow:
    """What one decision came to on labelled data.

    output: its name, `digit_set` say, without `_lower` and `_upper` for an interval; what:
    "coverage", the share of labels that are in the set or the interval, or "risk", the share of
    accepted rows whose prediction is wrong; value: that share; low and high: its exact binomial
    (Clopper-Pearson) interval at 95 %; rows: how many it is of; asked: the share that was asked for
    when the decision was fitted, or None.

    Reference:
        Clopper and Pearson, 1934, "The use of confidence or fiducial limits illustrated in the case
        of the binomial".
    """

    output: str
    what: str
    value: float
    low: float
    high: float
    rows: int
    asked: float | None

    def __str__(self) -> str:
        asked = "" if self.asked is None else f", asked: {self.asked:.4g}"
        return (
            f"{self.what} of {printable(self.output)}: {self.value:.4g} of {self.rows} rows "
            f"(95 % interval {self.low:.4g} to {self.high:.4g}{asked})"
        )


def covered(decided: DecidedOutputs, outputs: Arrays, y: Any) -> tuple[CoverageRow, ...]:
    """Return what the decisions in `outputs` come to, for labels of the same rows.

    y: labels, or a dict of them by the names of the model's outputs. Classes are integers of the
    shape of an output without its last axis; numbers have the shape of the output.

    Raises:
        ValueError: if they do not fit.
    """
    names = list(decided.by_output)
    given = y if isinstance(y, dict) else dict.fromkeys(names, y)
    if not isinstance(y, dict) and len(names) > 1:
        raise invalid("y", f"a dict of labels by the outputs {sorted(names)}", type(y).__name__)
    unknown = sorted(map(str, set(given) - set(names)))
    if unknown:
        raise invalid("y", f"labels by the outputs that something is decided of, {names}", unknown)
    rows = []
    for name, labels in given.items():
        truth = np.asarray(labels)
        asked = {
            # A threshold has a coverage, too: the share of rows that it accepted.
            "coverage": [
                getattr(each, "coverage", None)
                for each in decided.by_output[name]
                if not isinstance(each, Threshold)
            ],
            "risk": [getattr(each, "target", None) for each in decided.by_output[name]],
        }
        for output, what, right in _answers(name, outputs, truth):
            wanted = next((x for x in asked[what] if x is not None and x == x), None)
            rows.append(_row(output, what, right, wanted))
    return tuple(rows)


def _answers(name: str, outputs: Arrays, truth: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Return (name, what it is, whether it is so for each row) of each decision of an output."""
    found = []
    mean = outputs[f"{name}_mean"] if f"{name}_mean" in outputs else outputs.get(name)
    if f"{name}_samples" in outputs:
        mean = outputs[f"{name}_samples"].mean(axis=1)
    if f"{name}_set" in outputs:
        sets = outputs[f"{name}_set"]
        inside = np.take_along_axis(sets, _classes(truth, sets.shape)[..., None], axis=-1)
        found.append((f"{name}_set", "coverage", inside[..., 0]))
    if f"{name}_lower" in outputs:
        low, high = outputs[f"{name}_lower"], outputs[f"{name}_upper"]
        if truth.size != low.size:
            raise invalid("y", f"numbers of shape {low.shape}", f"shape {truth.shape}")
        numbers = truth.reshape(low.shape)
        found.append((name, "coverage", (low <= numbers) & (numbers <= high)))
    if f"{name}_accept" in outputs and mean is not None:
        accept = outputs[f"{name}_accept"]
        top = mean.argmax(axis=-1) if mean.shape[-1] > 1 else (mean[..., 0] > 0.5).astype(int)
        wrong = top != _classes(truth, mean.shape)
        found.append((f"{name}_accept", "risk", wrong[accept]))
    return found


def _classes(truth: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    count = max(shape[-1], 2)
    fits = truth.size == int(np.prod(shape[:-1])) and truth.dtype.kind in "biu"
    if not fits or (truth.size and not 0 <= truth.min() <= truth.max() < count):
        expected = f"classes from 0 to {count - 1}, integers of shape {shape[:-1]}"
        raise invalid("y", expected, f"{truth.dtype} of shape {truth.shape}")
    return truth.reshape(shape[:-1]).astype("int64")


def _row(output: str, what: str, right: np.ndarray, asked: float | None) -> CoverageRow:
    rows, count = right.size, int(np.count_nonzero(right))
    value = count / rows if rows else float("nan")
    low, high = 1.0 - _upper(rows - count, rows), _upper(count, rows)
    return CoverageRow(output, what, value, low, high, rows, asked)


def _upper(count: int, rows: int) -> float:
    """Return the share with which `count` or fewer of `rows` have the probability of 2.5 %."""
    if count >= rows:
        return 1.0
    low, high = count / rows, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at_most(count, rows, middle) > _ERROR / 2 else (low, middle)
    return high
