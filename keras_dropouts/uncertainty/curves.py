"""Keeps what the pictures of a report show: reliability, risk by coverage, scores and errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_dropouts.uncertainty.binned import Reliability
from keras_dropouts.uncertainty.classification import ClassFigures
from keras_dropouts.uncertainty.regression import ValueFigures
from keras_dropouts.uncertainty.selective import Selection

_BARS = 30
_GROUPS = 20


@dataclass(frozen=True)
class ClassCurves:
    """The curves of predictions of classes.

    reliability: by bins of confidence. selections: by score, what is accepted at each threshold.
    histograms: by score, the edges of bars and how many right and wrong rows each has.
    """

    reliability: Reliability
    selections: dict[str, Selection]
    histograms: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, figures: ClassFigures) -> ClassCurves:
        """Return the curves of all rows."""
        right = figures.right > 0.5
        bars = {}
        for name, x in figures.certainties.items():
            score = x if name == "confidence" else -x
            whole, edges = np.histogram(score, _BARS)
            # By the range, and not the edges: bars of one width are found without a search.
            of_right, _ = np.histogram(score[right], _BARS, (edges[0], edges[-1]))
            of_wrong = whole - of_right
            bars[name] = (edges, of_right, of_wrong)
        return cls(figures.reliability(), figures.selections(), bars)


@dataclass(frozen=True)
class ValueCurves:
    """The curves of predictions of numbers; without a standard deviation there are errors alone.

    quantiles: the levels, and the shares of rows below each. spread: the root mean squares of the
    standard deviation and of the error in groups of rows from the least to the largest standard
    deviation. errors: the edges of bars and how many rows each has, of (y - m)/s or of y - m.
    """

    quantiles: tuple[np.ndarray, np.ndarray] | None
    spread: tuple[np.ndarray, np.ndarray] | None
    errors: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, figures: ValueFigures) -> ValueCurves:
        """Return the curves of all rows."""
        values = figures.values
        error = values.y - values.mean
        if values.std is None:
            return cls(None, None, _histogram(error))
        groups = np.array_split(np.argsort(values.std, kind="stable"), min(_GROUPS, len(error)))
        pairs = [[_rms(x[rows]) for rows in groups] for x in (values.std, error)]
        spread = np.array(pairs[0]), np.array(pairs[1])
        return cls(figures.quantiles(), spread, _histogram(error / values.std))


def _histogram(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, edges = np.histogram(x, _BARS)
    return edges, counts


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))
