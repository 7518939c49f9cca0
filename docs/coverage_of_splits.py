"""Draws how often conformal sets and intervals hold the truth, over 200 splits of real data.

`make pictures` runs it. Beside what is counted stands what theory says: on m rows, with n held-out
rows, the number of rows that are covered has a beta-binomial distribution (Vovk, 2012, "Conditional
validity of inductive conformal predictors").
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import betabinom
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge

from keras_dropouts import uncertainty

SPLITS, COVERAGE = 200, 0.9
BLUE, ORANGE = "#0072B2", "#E69F00"  # two colours that colour-blind people can tell apart

Rows = np.ndarray
Covered = Callable[[Rows, Rows], np.ndarray]  # held-out rows, other rows -> which are covered


def of_sets(method: str) -> tuple[Covered, int]:
    """Return what asks which rows' sets hold the true digit, and how many rows there are."""
    x, y = load_digits(return_X_y=True)
    model = LogisticRegression(C=0.002, max_iter=300).fit(x[:400], y[:400])
    p, y = model.predict_proba(x[400:]), y[400:]

    def covered(held_out: Rows, others: Rows) -> np.ndarray:
        sets = uncertainty.conformal(p[held_out], y=y[held_out], coverage=COVERAGE, method=method)
        return sets(p[others])[np.arange(len(others)), y[others]]

    return covered, len(y)


def of_intervals(method: str) -> tuple[Covered, int]:
    """Return what asks which rows' intervals hold the true number, and how many rows there are."""
    x, y = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.1).fit(x[:142], y[:142])
    mean, std, y = model.predict(x[142:]), np.abs(x[142:, 2]) * 400 + 40.0, y[142:]
    ends = np.stack([mean - std, mean + std], axis=1)

    def covered(held_out: Rows, others: Rows) -> np.ndarray:
        given = ends if method == "quantile" else mean
        options = {"std": std[held_out]} if method == "scaled" else {}
        made = uncertainty.conformal(
            given[held_out], y=y[held_out], coverage=COVERAGE, method=method, **options
        )
        low, high = made(given[others], **({"std": std[others]} if options else {}))
        return (low.ravel() <= y[others]) & (y[others] <= high.ravel())

    return covered, len(y)


def shares(covered: Covered, rows: int) -> np.ndarray:
    """Return the share of covered rows of each split, float64 of shape (SPLITS,)."""
    random = np.random.default_rng(0)
    orders = [random.permutation(rows) for _ in range(SPLITS)]
    return np.array([covered(x[: rows // 2], x[rows // 2 :]).mean() for x in orders])


def draw(path: Path) -> dict[str, tuple[float, float, float]]:
    """Draw the picture; return by method the mean share, theory's mean, and the share within."""
    figure, axes = plt.subplots(2, 3, figsize=(10, 5.4), layout="constrained")
    found = {}
    methods = [("lac", of_sets), ("aps", of_sets), ("raps", of_sets)]
    methods += [("absolute", of_intervals), ("scaled", of_intervals), ("quantile", of_intervals)]
    for axis, (method, make) in zip(axes.flat, methods, strict=True):
        covered, rows = make(method)
        got, n, m = shares(covered, rows), rows // 2, rows - rows // 2
        k = int(np.ceil((n + 1) * COVERAGE - 1e-9))
        theory = betabinom(m, k, n + 1 - k)
        low, high = theory.ppf(0.025) / m, theory.ppf(0.975) / m
        within = float(np.mean((low <= got) & (got <= high)))
        found[method] = float(got.mean()), theory.mean() / m, within
        axis.axvspan(low, high, color=ORANGE, alpha=0.3, label="95 % of splits, by theory")
        axis.hist(got, bins=20, color=BLUE, label=f"{SPLITS} splits")
        axis.axvline(COVERAGE, color="black", linestyle="--", label="asked for")
        axis.set_title(f"{method}: {n} held-out rows, mean {got.mean():.3f}", fontsize=10)
        axis.set_xlabel(f"share of {m} rows that is covered")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    axes[0, 0].set_ylabel("splits of digits")
    axes[1, 0].set_ylabel("splits of diabetes")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return found
