"""Defines the report of an evaluation: a table, pictures, and thresholds for a risk."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from keras_dropouts.arguments import check_choice, invalid, is_real
from keras_dropouts.uncertainty.curves import ClassCurves, ValueCurves
from keras_dropouts.uncertainty.pictures import draw
from keras_dropouts.uncertainty.selective import Selection
from keras_dropouts.uncertainty.tables import as_html, as_text
from keras_dropouts.uncertainty.threshold import Threshold, find_threshold


@dataclass(frozen=True)
class UncertaintyReport:
    """What `evaluate` found; print it for a table, or leave it as a notebook cell's last value.

    kind: "classification" or "regression". rows: how many labels were compared with (pixels and
    tokens count as rows). classes: how many classes there are, None for numbers. figures: each
    figure by its name, as `evaluate` explains them. intervals: the ends of the bootstrap's interval
    of each, empty where none was asked for. level: the probability of the intervals. curves: what
    the picture shows.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.45, 0.55]])
    >>> report = kd.uncertainty.evaluate(p, [0, 0, 1, 1])
    >>> report.kind, report.rows, report.figures["accuracy"]
    ('classification', 4, 0.75)
    """

    kind: str
    rows: int
    classes: int | None
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    level: float
    curves: ClassCurves | ValueCurves = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name: numbers, or dicts of `value`, `low` and `high`.

        `rows`, a number, comes first.

        Example:

        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.45, 0.55]])
        >>> found = kd.uncertainty.evaluate(p, [0, 0, 1, 1]).to_dict()
        >>> found["rows"], found["accuracy"]
        (4, 0.75)
        >>> kd.uncertainty.evaluate(p, [0, 0, 1, 1], bootstrap=50).to_dict()["accuracy"]
        {'value': 0.75, 'low': 0.25, 'high': 1.0}
        """
        found: dict[str, Any] = {"rows": self.rows}
        for name, value in self.figures.items():
            ends = self.intervals.get(name)
            found[name] = (
                value if ends is None else {"value": value, "low": ends[0], "high": ends[1]}
            )
        return found

    def to_json(self) -> str:
        """Return `to_dict()` as JSON text.

        JSON has no infinity, which the width of intervals may have: that is null.

        Example:

        >>> import json
        >>> import keras_dropouts as kd
        >>> report = kd.uncertainty.evaluate([[1.0], [2.0]], [1.5, 2.5])
        >>> json.loads(report.to_json())
        {'rows': 2, 'rmse': 0.5, 'mae': 0.5}
        """
        return json.dumps(_finite(self.to_dict()), indent=2)

    def __str__(self) -> str:
        return as_text(self.title, self.figures, self.intervals, self.level)

    def _repr_html_(self) -> str:
        return as_html(self.title, self.figures, self.intervals, self.level)

    @property
    def title(self) -> str:
        """What was evaluated, in a few words.

        Example:

        >>> import keras_dropouts as kd
        >>> kd.uncertainty.evaluate([[1.0], [2.0]], [1.5, 2.5]).title
        'regression: 2 rows'
        """
        of = "" if self.classes is None else f" of {self.classes:,} classes"
        return f"{self.kind}: {self.rows:,} row{'s' * (self.rows != 1)}{of}"

    def plot(self, score: str = "confidence") -> Any:
        """Draw the report and return the matplotlib Figure, which `.savefig(path)` writes.

        Of classes: the reliability diagram with the number of rows in each bin, the risk by
        coverage for each score, and how many rows are right and wrong by `score`. Of numbers: the
        coverage of quantiles, the error of rows grouped by their standard deviation, and the
        histogram of errors.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if there is no such score.

        Example:

        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.45, 0.55]])
        >>> figure = kd.uncertainty.evaluate(p, [0, 0, 1, 1]).plot()
        >>> figure.savefig("report.png")
        """
        if isinstance(self.curves, ClassCurves):
            check_choice(score, "score", self.curves.selections)
        return draw(self.curves, score)

    def threshold(
        self, risk: float, score: str = "confidence", *, confidence: float | None = None
    ) -> Threshold:
        """Return the lowest threshold at which at most the share `risk` of accepted rows is wrong.

        That is the risk in the data of the report. In other data like these it is above `risk` as
        often as not; with `confidence` it is at most `risk` with that probability, by the bound of
        Geifman and El-Yaniv, and fewer rows are accepted.

        Args:
            risk: The share of accepted rows that may be wrong, from 0 to 1.
            score: "confidence", "entropy" or "mutual_information", which needs samples.
            confidence: None, or a probability such as 0.95.

        Returns:
            A `Threshold`, a float. Rows are accepted where their certainty is at least that.

        Raises:
            ValueError: if no threshold reaches the risk, or the report is one of numbers.

        Reference:
            Geifman and El-Yaniv, 2017, "Selective classification for deep neural networks".

        Example:

        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.45, 0.55]])
        >>> report = kd.uncertainty.evaluate(p, [0, 0, 1, 1])
        >>> report.threshold(risk=0.0)
        Threshold(0.7, score='confidence', risk=0, coverage=0.5)
        """
        return find_threshold(self._selections(), risk, score, confidence)

    def risk_at_coverage(self, coverage: float, score: str = "confidence") -> float:
        """Return the share of wrong rows among the share `coverage` that is most certain.

        Raises:
            ValueError: if `coverage` is not above 0 and at most 1, or there is no such score.

        Example:

        >>> import keras_dropouts as kd
        >>> report = kd.uncertainty.evaluate([[0.9, 0.1], [0.6, 0.4]], [0, 1])
        >>> report.risk_at_coverage(0.5), report.risk_at_coverage(1.0)
        (0.0, 0.5)
        """
        if not is_real(coverage) or not 0.0 < coverage <= 1.0:
            raise invalid("coverage", "a number above 0 and not above 1", coverage)
        selections = self._selections()
        return selections[check_choice(score, "score", selections)].risk_at_coverage(coverage)

    def coverage_at_risk(self, risk: float, score: str = "confidence") -> float:
        """Return the largest share of rows that a threshold accepts at no more than `risk`.

        Raises:
            ValueError: if `risk` is not from 0 to 1, or there is no such score.

        Example:

        >>> import keras_dropouts as kd
        >>> report = kd.uncertainty.evaluate([[0.9, 0.1], [0.6, 0.4]], [0, 1])
        >>> report.coverage_at_risk(0.1)
        0.5
        """
        if not is_real(risk) or not 0.0 <= risk <= 1.0:
            raise invalid("risk", "a number from 0 to 1", risk)
        selections = self._selections()
        return selections[check_choice(score, "score", selections)].coverage_at_risk(risk)

    def _selections(self) -> dict[str, Selection]:
        if not isinstance(self.curves, ClassCurves):
            raise invalid("kind", "a report of classes, for risk and coverage", self.kind)
        return self.curves.selections


def _finite(value: Any) -> Any:
    """Return figures with None in place of what JSON cannot hold."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return value if math.isfinite(value) else None
