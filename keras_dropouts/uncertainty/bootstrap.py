"""Computes intervals of figures by the bootstrap: rows of the data drawn again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from keras_dropouts.arguments import invalid


def means(rows: Mapping[str, np.ndarray], weights: np.ndarray | None) -> dict[str, float]:
    """Return the mean of each array of rows, or the mean by weights."""
    if weights is None:
        return {name: float(x.mean()) for name, x in rows.items()}
    total, found = weights.sum(), {}
    for name, x in rows.items():
        with np.errstate(invalid="ignore"):
            found[name] = float(x @ weights / total)
        if np.isnan(found[name]):  # of infinite numbers that are not drawn
            some = weights > 0
            found[name] = float(x[some] @ weights[some] / total)
    return found


def intervals(
    figures: Callable[[np.ndarray], dict[str, float]],
    rows: int,
    units: np.ndarray | None,
    *,
    replicates: int,
    level: float,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """Return the percentile interval of each figure.

    In each replicate as many rows of the data are drawn as there are, with replacement, and
    `figures` is called with how often each counts. Pixels and tokens of one row are drawn together,
    as they depend on each other: `units` says which row of data each of the `rows` is a part of.
    The interval reaches from the (1 - level)/2 quantile of the replicates to the (1 + level)/2
    quantile; figures that are biased upwards in small data, such as calibration errors, are so in
    the replicates, too.

    Raises:
        ValueError: if there are fewer than two rows of data to draw.

    Reference:
        Efron, 1979, "Bootstrap methods: another look at the jackknife"; Davison and Hinkley, 1997,
        "Bootstrap methods and their application".
    """
    if units is not None:
        _, units = np.unique(units, return_inverse=True)
    count = rows if units is None else int(units.max()) + 1
    if count < 2:
        raise invalid("bootstrap", "0 where the data have a single row", replicates)
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(replicates):
        drawn = np.bincount(random.integers(0, count, count), minlength=count).astype("float64")
        for name, value in figures(drawn if units is None else drawn[units]).items():
            found.setdefault(name, []).append(value)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    # Without interpolation: a figure may be infinite.
    ends = {
        name: np.quantile(values, tails, method="inverted_cdf") for name, values in found.items()
    }
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}
