"""Holds the metrics of models that were trained under the same seeds, and their differences."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_dropouts.arguments import check_choice
from keras_dropouts.canvas import axes_for
from keras_dropouts.tuning.intervals import interval_of


class Difference(NamedTuple):
    """The mean of paired differences, and its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; prints as a table of 60 columns.

    values: {metric: {name: one number for each seed}}; seeds: the seeds, in that order; baseline:
    the name that the others are compared with; interval: "t" or "bootstrap".

    Example:

    >>> import keras_dropouts as kd
    >>> values = {"loss": {"none": (0.5, 0.4, 0.6), "units": (0.42, 0.3, 0.5)}}
    >>> print(kd.tuning.Comparison(values, (0, 1, 2), "none", "t"))
    loss                  mean difference
    none                   0.5
    units               0.4067    -0.0933 [-0.122, -0.0647]
    <BLANKLINE>
    3 seeds; paired differences to 'none' with 95 % intervals
    by Student's t
    """

    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    seeds: tuple[int, ...]
    baseline: str
    interval: str

    def difference(self, metric: str, name: str) -> Difference:
        """Return the mean difference of a model to the baseline, seed by seed.

        Raises:
            ValueError: if there is no such metric or model.
        """
        found = self.values[check_choice(metric, "metric", self.values)]
        check_choice(name, "name", found)
        differences = np.subtract(found[name], found[self.baseline])
        return Difference(float(differences.mean()), *interval_of(differences, self.interval))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        metrics = {
            metric: {
                name: {
                    "values": list(numbers),
                    "mean": float(np.mean(numbers)),
                    "difference": None
                    if name == self.baseline
                    else self.difference(metric, name)._asdict(),
                }
                for name, numbers in found.items()
            }
            for metric, found in self.values.items()
        }
        return {
            "baseline": self.baseline,
            "interval": self.interval,
            "seeds": list(self.seeds),
            "metrics": metrics,
        }

    def _rows(self, metric: str) -> list[tuple[str, str, str, str]]:
        """Return (name, mean, difference, interval) of each model."""
        rows = []
        for name, numbers in self.values[metric].items():
            mean = f"{np.mean(numbers):.4g}"
            if name == self.baseline:
                rows.append((name, mean, "", ""))
                continue
            value, low, high = self.difference(metric, name)
            rows.append((name, mean, f"{value:+.3g}", f"[{low:+.3g}, {high:+.3g}]"))
        return rows

    @property
    def _note(self) -> tuple[str, str]:
        how = {"t": "Student's t", "bootstrap": "the bootstrap"}[self.interval]
        paired = f"{len(self.seeds)} seeds; paired differences to {self.baseline!r}"
        return f"{paired[:41]} with 95 % intervals", f"by {how}"

    def __str__(self) -> str:
        lines = []
        for metric in self.values:
            lines.append(f"{metric[:15]:<16}{'mean':>10}{'difference':>11}")
            for name, mean, value, interval in self._rows(metric):
                shown = name if len(name) <= 15 else f"{name[:14]}…"
                lines.append(f"{shown:<16}{mean:>10}{value:>11} {interval}".rstrip())
            lines.append("")
        return "\n".join([*lines, *self._note])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for metric in self.values:
            heads = (metric, "mean", "difference", "95 % interval")
            rows.append("<tr>" + "".join(f"<th>{html.escape(x)}</th>" for x in heads) + "</tr>")
            for row in self._rows(metric):
                rows.append("<tr>" + "".join(f"<td>{html.escape(x)}</td>" for x in row) + "</tr>")
        note = html.escape(" ".join(self._note))
        return f"<table>{''.join(rows)}<caption>{note}</caption></table>"

    def plot(self, metric: str | None = None, ax: Any = None) -> Any:
        """Draw the difference of each model with its interval and return the matplotlib Axes.

        A dot is a seed.

        Args:
            metric: The metric to draw; None takes the first one.
            ax: The matplotlib Axes to draw into; None makes a new figure.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if there is no such metric, or `ax` is neither None nor Axes.
        """
        metric = next(iter(self.values)) if metric is None else metric
        found = self.values[check_choice(metric, "metric", self.values)]
        names = [name for name in found if name != self.baseline]
        ax = axes_for(ax, "a comparison")
        for i, name in enumerate(names):
            value, low, high = self.difference(metric, name)
            each = np.subtract(found[name], found[self.baseline])
            ax.plot(each, np.full(len(each), i), ".", color="gray", alpha=0.5)
            ax.errorbar(value, i, xerr=[[value - low], [high - value]], fmt="o", capsize=4)
        ax.axvline(0.0, color="black", linewidth=0.8)
        ax.set_yticks(range(len(names)), names)
        ax.set(xlabel=f"{metric}, difference to {self.baseline!r}", ylim=(len(names) - 0.5, -0.5))
        return ax
