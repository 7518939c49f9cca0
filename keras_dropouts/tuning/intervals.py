"""Computes confidence intervals of a mean: by Student's t, and by the bootstrap."""

from __future__ import annotations

import math

import numpy as np

_RESAMPLES = 10_000


def interval_of(values: np.ndarray, kind: str, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean of two or more independent values.

    kind: "t": mean ± t * s / sqrt(n), with the quantile t of Student's distribution of n - 1
    degrees of freedom, for values that are about normal; "bootstrap": the quantiles of the means of
    10,000 resamples, always the same ones, which assumes no distribution and is too narrow for few
    values. NaN where a value is.

    Reference:
        Student, 1908, "The probable error of a mean"; Efron, 1979, "Bootstrap methods: another look
        at the jackknife".
    """
    count = len(values)
    if not np.isfinite(values).all():
        return math.nan, math.nan
    if kind == "t":
        half = t_quantile(0.5 + level / 2, count - 1) * float(values.std(ddof=1)) / count**0.5
        mean = float(values.mean())
        return mean - half, mean + half
    chosen = np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(values[chosen].mean(axis=1), [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's distribution for a probability from 0.5 to 1, excluded.

    By bisection of its distribution function, which is the integral of

        gamma((f + 1) / 2) / (sqrt(pi * f) * gamma(f / 2)) * (1 + t**2 / f)**(-(f + 1) / 2).

    With t = sqrt(f) * tan(u) that is the integral of cos(u)**(f - 1), which is smooth.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.pi**0.5

    def below(angle: float) -> float:
        u = 0.5 * angle * (nodes + 1.0)
        return 0.5 + scale * 0.5 * angle * float(weights @ np.cos(u) ** (freedom - 1))

    low, high = 0.0, 0.5 * math.pi
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if below(middle) < probability else (low, middle)
    return math.sqrt(freedom) * math.tan(low)
