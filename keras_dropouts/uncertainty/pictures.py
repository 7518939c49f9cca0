"""Draws a report: calibration, what selection or spread gains, and a histogram, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropouts.uncertainty.curves import ClassCurves, ValueCurves

# Colours that people with any kind of colour vision tell apart (Okabe and Ito, 2008).
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#E69F00", "#009E73", "#555555"
_MOST_POINTS = 2000  # more draw the same line


def draw(curves: ClassCurves | ValueCurves, score: str) -> Any:
    """Return a matplotlib Figure of three panels.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Drawing a report needs matplotlib. Install it: pip install 'keras-dropouts[plot]'"
        ) from error
    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    if isinstance(curves, ClassCurves):
        _reliability(left, curves)
        _risk_by_coverage(middle, curves)
        _scores(right, curves, score)
    else:
        _quantiles(left, curves)
        _spread(middle, curves)
        _errors(right, curves)
    return figure


def _reliability(axes: Any, curves: ClassCurves) -> None:
    found, bins = curves.reliability, len(curves.reliability.counts)
    (some,) = np.nonzero(found.counts)
    axes.plot((0, 1), (0, 1), "--", color=_GREY, label="calibrated")
    axes.plot(found.confidence[some], found.accuracy[some], "o-", color=_BLUE, label="accuracy")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.set_title("Reliability, and rows in each bin")
    counts = axes.twinx()
    edges = (np.arange(bins) + 0.5) / bins
    counts.bar(edges, found.counts, 0.9 / bins, color=_ORANGE, alpha=0.35)
    counts.set(ylabel="rows", ylim=(0, 3 * found.counts.max()))
    axes.set_zorder(counts.get_zorder() + 1)  # the line is before the bars
    axes.patch.set_visible(False)
    axes.legend(loc="upper left")


def _risk_by_coverage(axes: Any, curves: ClassCurves) -> None:
    colours = (_BLUE, _ORANGE, _GREEN)
    styles = ("-", "--", ":")
    for (name, found), colour, style in zip(
        curves.selections.items(), colours, styles, strict=False
    ):
        points = np.unique(np.linspace(0, len(found.risk) - 1, _MOST_POINTS).astype("int64"))
        label = name.replace("_", " ")
        axes.plot(found.coverage[points], found.risk[points], style, color=colour, label=label)
    axes.set(xlabel="coverage: share of rows accepted", ylabel="risk: share of them wrong")
    axes.set(title="Risk by coverage", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.legend()


def _scores(axes: Any, curves: ClassCurves, score: str) -> None:
    edges, right, wrong = curves.histograms[score]
    middles, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    axes.bar(middles, right, width, color=_BLUE, alpha=0.7, label="right")
    axes.bar(middles, wrong, width, bottom=right, color=_ORANGE, hatch="//", label="wrong")
    axes.set(xlabel=score.replace("_", " "), ylabel="rows", title="Right and wrong rows")
    axes.set_yscale("symlog", linthresh=1)  # wrong rows are few
    axes.legend()


def _quantiles(axes: Any, curves: ValueCurves) -> None:
    axes.plot((0, 1), (0, 1), "--", color=_GREY, label="calibrated")
    if curves.quantiles is not None:
        axes.plot(*curves.quantiles, color=_BLUE, label="observed")
    axes.set(xlabel="level of the quantile", ylabel="share of rows below it")
    axes.set(title="Coverage of quantiles", xlim=(0, 1), ylim=(0, 1))
    axes.legend()


def _spread(axes: Any, curves: ValueCurves) -> None:
    axes.set(xlabel="standard deviation", ylabel="root mean squared error")
    axes.set_title("Errors by standard deviation")
    if curves.spread is None:
        axes.text(0.5, 0.5, "no standard deviation", ha="center", transform=axes.transAxes)
        return
    top = max(float(x.max()) for x in curves.spread)
    axes.plot((0, top), (0, top), "--", color=_GREY, label="calibrated")
    axes.plot(*curves.spread, "o-", color=_BLUE, label="groups of rows")
    axes.legend()


def _errors(axes: Any, curves: ValueCurves) -> None:
    edges, counts = curves.errors
    width = np.diff(edges)
    axes.bar((edges[1:] + edges[:-1]) / 2, counts, width, color=_BLUE, alpha=0.7, label="rows")
    name = "error"
    if curves.quantiles is not None:
        name = "error / standard deviation"
        x = np.linspace(edges[0], edges[-1], 200)
        density = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
        axes.plot(x, density * counts.sum() * width[0], color=_ORANGE, label="normal distribution")
    axes.set(xlabel=name, ylabel="rows", title="Errors")
    axes.legend()
