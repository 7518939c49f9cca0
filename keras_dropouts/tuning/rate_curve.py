"""Holds what an objective is at each rate that was tried, and the rates that were found."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_dropouts.canvas import axes_for


@dataclass(frozen=True)
class RateCurve:
    """An objective over the rates that `tune_rates` tried; prints as a table.

    objective: its name; the lower, the better. rates, values: the rates that all layers had in
    common, in increasing order, and the objective at each, both of shape (rates,). before,
    before_value: the rates that the model came with, by path, and the objective at them. best,
    best_value: the rates that were found, by path, and the objective at them: the lowest of all
    that was tried. by_layer: with `by_layer=True`, for each path the objective over the rate of
    that layer, at the rates that the others had when it was last tried: {path: (rates, values)}.

    Example:

    >>> import keras_dropouts as kd
    >>> curve = kd.tuning.RateCurve(
    ...     "nll", (0.0, 0.1, 0.2), (0.9, 0.7, 0.8), {"drop": 0.5}, 1.1, {"drop": 0.1}, 0.7
    ... )
    >>> print(curve)
    rate            nll
    ------------  -----
    0               0.9
    0.1             0.7  best
    0.2             0.8
    as they were    1.1
    """

    objective: str
    rates: tuple[float, ...]
    values: tuple[float, ...]
    before: Mapping[str, float]
    before_value: float
    best: Mapping[str, float]
    best_value: float
    by_layer: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(
        default_factory=dict
    )

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return (rate, value, note) of each line."""
        common = set(self.best.values())
        lines = []
        for rate, value in zip(self.rates, self.values, strict=True):
            best = common == {rate} and value == self.best_value
            lines.append((f"{rate:.4g}", f"{value:.5g}", "best" if best else ""))
        kept = self.best == self.before and not any(note for *_, note in lines)
        before = f"{self.before_value:.5g}"
        lines.append(("as they were", before, "best" if kept else ""))
        if not any(note for *_, note in lines):
            lines.append(("each its own", f"{self.best_value:.5g}", "best"))
        return lines

    def __str__(self) -> str:
        lines = [("rate", self.objective, ""), *self._lines()]
        widths = [max(len(line[i]) for line in lines) for i in (0, 1)]
        rows = [
            f"{a.ljust(widths[0])}  {b.rjust(widths[1])}  {note}".rstrip() for a, b, note in lines
        ]
        rows.insert(1, "-" * widths[0] + "  " + "-" * widths[1])
        if self.by_layer:
            width = max(map(len, self.best))
            rows += ["", *(f"{path.ljust(width)}  {rate:.4g}" for path, rate in self.best.items())]
        return "\n".join(rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = f"<tr><th>rate</th><th>{html.escape(self.objective)}</th><th></th></tr>"
        rows = [
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in self._lines()
        ]
        if self.by_layer:
            rows += [
                f"<tr><td>{html.escape(path)}</td><td>{rate:.4g}</td><td>found</td></tr>"
                for path, rate in self.best.items()
            ]
        return f"<table>{head}{''.join(rows)}</table>"

    def plot(self, ax: Any = None) -> Any:
        """Draw the objective over the rate and return the matplotlib Axes.

        With `by_layer=True` there is a line for each layer, too.

        Args:
            ax: The matplotlib Axes to draw into; None makes a new figure.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if `ax` is neither None nor matplotlib Axes.
        """
        ax = axes_for(ax, "a curve of rates")
        ax.plot(self.rates, self.values, marker="o", label="all layers")
        for path, (rates, values) in self.by_layer.items():
            ax.plot(rates, values, marker=".", linewidth=1, label=path)
        ax.axhline(self.before_value, linestyle=":", color="gray", label="as they were")
        ax.set(xlabel="rate", ylabel=self.objective)
        ax.legend()
        return ax
