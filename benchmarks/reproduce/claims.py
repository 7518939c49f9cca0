"""Compares what was measured over seeds: means, confidence intervals, and what papers say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

HEAD = (
    "| paper | expected to be better | in | difference | result |",
    "|---|---|---|---|---|",
)
WITHIN = "not shown: within the confidence interval"


class Claim(NamedTuple):
    """What a paper says: `better` has the better value in a column than `worse`."""

    paper: str
    better: str
    worse: str
    column: str


def verdict(claim: Claim, better: np.ndarray, worse: np.ndarray) -> str:
    """Return a row of the table of claims: the difference, paired by seed, and what it shows.

    Accuracies are better where they are high, and all else where it is low.
    """
    differences = better - worse
    shows = {"better": "shown", "worse": "the opposite is shown", "": WITHIN}[
        direction(differences, lower="accuracy" not in claim.column)
    ]
    cells = (claim.paper, f"{claim.better}, against {claim.worse}", claim.column)
    return f"| {' | '.join(cells)} | {interval(differences)} | {shows} |"


def direction(differences: np.ndarray, lower: bool = True) -> str:
    """Return "better" or "worse" where the interval of the differences excludes 0, or nothing."""
    gain = differences.mean() * (-1.0 if lower else 1.0)
    if abs(gain) <= half_width(differences):
        return ""
    return "better" if gain > 0 else "worse"


def half_width(values: np.ndarray) -> float:
    """Return half of the 95 % confidence interval of the mean, by Student's t; inf of one."""
    if len(values) < 2:
        return float("inf")
    spread = values.std(ddof=1) / np.sqrt(len(values))
    return float(stats.t.ppf(0.975, len(values) - 1) * spread)


def interval(values: np.ndarray, digits: int = 4) -> str:
    """Return the mean and half of its interval as text."""
    return f"{values.mean():.{digits}f} +- {half_width(values):.{digits}f}"
