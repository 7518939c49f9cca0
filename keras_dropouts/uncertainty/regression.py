"""Computes every figure of predictions of numbers, for all rows or for rows that are weighed."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.bootstrap import means
from keras_dropouts.uncertainty.checked_input import Values

LEVELS = (50, 80, 90, 95)  # percent, of central intervals
QUANTILES = 100  # the levels of the calibration error are 1/100, 2/100 ... 99/100
_AT_ONCE = 2**20
_erf = np.frompyfunc(math.erf, 1, 1)


class ValueFigures:
    """The figures of predictions of numbers: of the mean, and of the normal distribution N(m, s^2).

    What does not depend on weights is computed once: a bootstrap asks for the figures often.
    """

    def __init__(self, values: Values) -> None:
        self.values, error = values, values.y - values.mean
        self._rows = {"mse": error**2, "mae": np.abs(error)}
        self.levels: np.ndarray | None = None
        std = values.std
        if std is not None:
            if std.min() <= 0.0:
                zeros = int((std == 0.0).sum())
                way_out = "Pass `noise=`, the standard deviation of the noise in the data."
                expected = "a standard deviation above 0 for each number"
                raise invalid("std", expected, f"{zeros} numbers with 0", way_out)
            self.levels = standard_normal_cdf(error / std)
            self._rows |= {"std": std, "nll": normal_nll(error, std)}
            self._rows["crps"] = normal_crps(error / std, std, self.levels)
            for level in LEVELS:
                half = NormalDist().inv_cdf(0.5 + level / 200) * std
                self._rows[f"coverage_{level}"] = np.abs(error) <= half
                self._rows[f"width_{level}"] = 2.0 * half
        if values.samples is not None and len(values.samples) > 1 and not values.noise:
            self._rows["crps_samples"] = samples_crps(values.samples, values.y)
        if values.lower is not None and values.upper is not None:
            inside = (values.lower <= values.y) & (values.y <= values.upper)
            self._rows["interval_coverage"] = inside
            self._rows["interval_width"] = values.upper - values.lower

    def figures(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Return each figure by its name; `weights` says how often each row counts."""
        found = means(self._rows, weights)
        found = {"rmse": math.sqrt(found.pop("mse")), **found}
        if self.levels is not None:
            wanted, seen = self.quantiles(weights)
            found["calibration_error"] = float(np.abs(wanted - seen).mean())
        return found

    def quantiles(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels 0.01 ... 0.99, and the share of rows that is below each quantile.

        The calibration error is the mean of |p - share of rows with y <= m + s z_p| over them, z_p
        the quantile of the standard normal distribution.

        Reference:
            Kuleshov, Fenner and Ermon, 2018, "Accurate uncertainties for deep learning using
            calibrated regression", with the absolute difference in place of the squared one.
        """
        assert self.levels is not None  # only called where there is a standard deviation
        index = np.clip(np.ceil(self.levels * QUANTILES) - 1, 0, QUANTILES - 1).astype("int64")
        counts = np.bincount(index, weights, QUANTILES)
        return np.arange(1, QUANTILES) / QUANTILES, np.cumsum(counts)[:-1] / counts.sum()


def standard_normal_cdf(z: np.ndarray) -> np.ndarray:
    """Return (1 + erf(z / sqrt 2)) / 2."""
    return 0.5 * (1.0 + np.asarray(_erf(z / math.sqrt(2.0)), "float64"))


def normal_nll(error: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return -log N(y; m, s^2) = log(2 pi s^2)/2 + (y - m)^2 / (2 s^2), in nats."""
    return 0.5 * np.log(2.0 * math.pi * std**2) + 0.5 * (error / std) ** 2


def normal_crps(z: np.ndarray, std: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of N(m, s^2), in the unit of y.

    s [z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi)] with z = (y - m)/s.

    Reference:
        Gneiting, Raftery, Westveld and Goldman, 2005, "Calibrated probabilistic forecasting using
        ensemble model output statistics and minimum CRPS estimation".
    """
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return std * (z * (2.0 * levels - 1.0) + 2.0 * density - 1.0 / math.sqrt(math.pi))


def samples_crps(samples: np.ndarray, y: np.ndarray, fair: bool = True) -> np.ndarray:
    """Return the continuous ranked probability score of samples, float64 of shape (N,).

    mean_t |x_t - y| - sum_{t,u} |x_t - x_u| / (2 T (T - 1)): the fair form, whose mean is that of
    the distribution which the T samples were drawn from. With `fair=False` the division is by
    2 T^2, which scores the T samples as they are.

    Reference:
        Gneiting and Raftery, 2007, "Strictly proper scoring rules, prediction, and estimation";
        Ferro, 2014, "Fair scores for ensemble forecasts".
    """
    count, rows = samples.shape
    found, size = np.empty(rows), max(_AT_ONCE // count, 1)
    ranks = 2.0 * np.arange(count) - (count - 1)  # sum_{t<u} |x_t - x_u| = sum_i ranks_i x_(i)
    pairs = count * (count - 1) if fair else count * count
    for begin in range(0, rows, size):
        part = np.sort(samples[:, begin : begin + size].astype("float64"), axis=0)
        distance = np.abs(part - y[begin : begin + size]).mean(axis=0)
        found[begin : begin + size] = distance - ranks @ part / pairs
    return found
