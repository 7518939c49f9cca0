"""Measures calibration in bins of confidence: how far it is from the accuracy there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_MOST_KEPT = 2**24  # numbers that are kept for the next replicate of a bootstrap


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram shows, float64 of shape (bins,).

    counts: the rows in each bin. confidence and accuracy: their means, 0 in an empty bin.

    Reference:
        DeGroot and Fienberg, 1983, "The comparison and evaluation of forecasters"; Guo, Pleiss, Sun
        and Weinberger, 2017, "On calibration of modern neural networks".
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @classmethod
    def of(
        cls,
        index: np.ndarray,
        bins: int,
        confidence: np.ndarray,
        right: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Reliability:
        """Return the means in bins. index: the bin of each row; weights: how often it counts."""
        if weights is not None:
            confidence, right = confidence * weights, right * weights
        counts = np.bincount(index, weights, bins).astype("float64")
        some = np.maximum(counts, 1e-300)
        means = (np.bincount(index, x, bins) / some for x in (confidence, right))
        return cls(counts, *means)

    @property
    def gaps(self) -> np.ndarray:
        """The accuracy minus the confidence in each bin."""
        return self.accuracy - self.confidence

    @property
    def shares(self) -> np.ndarray:
        """The share of all rows that is in each bin."""
        return self.counts / self.counts.sum()

    def expected(self) -> float:
        """Return the expected calibration error: sum_b n_b/N |accuracy_b - confidence_b|.

        Reference:
            Naeini, Cooper and Hauskrecht, 2015, "Obtaining well calibrated probabilities using
            Bayesian binning"; Guo et al., 2017.
        """
        return float(np.abs(self.gaps) @ self.shares)

    def maximum(self) -> float:
        """Return the maximum calibration error: the largest |accuracy_b - confidence_b|."""
        return float(np.abs(self.gaps).max())

    def debiased(self) -> float:
        """Return the root mean squared calibration error without the bias of small bins.

        sqrt(max(0, sum_b n_b/N [(accuracy_b - confidence_b)^2 - a_b (1 - a_b) / (n_b - 1)])), with
        a_b the accuracy in a bin: a perfectly calibrated net has 0 on average before the root.
        A bin of one row has nothing subtracted.

        Reference:
            Kumar, Liang and Ma, 2019, "Verified uncertainty calibration"; the correction is that of
            Broecker, 2012, and Ferro and Fricker, 2012, for the reliability part of the Brier
            score.
        """
        spread = self.accuracy * (1.0 - self.accuracy) / np.maximum(self.counts - 1.0, 1.0)
        return float(np.sqrt(max((self.gaps**2 - spread) @ self.shares, 0.0)))


def equal_width(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each row where bin b of B is ((b - 1)/B, b/B], counted from 0."""
    scaled = confidence * bins
    np.ceil(scaled, out=scaled)
    return np.clip(scaled, 1.0, bins, out=scaled).astype("int64") - 1


def equal_mass(less: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each row where bins hold equally many rows, as far as ties allow.

    Row i is in bin floor(B K / N), with K the number of rows that are less confident, which `less`
    holds: rows of the same confidence share a bin.

    Reference:
        Nguyen and O'Connor, 2015, "Posterior calibration and exploratory analysis for natural
        language processing models"; Nixon et al., 2019, "Measuring calibration in deep learning".
    """
    return less * bins // len(less)


class ClasswiseBins:
    """The probabilities of every class in bins of equal width, for `ece_classwise`."""

    def __init__(self, probabilities: np.ndarray, labels: np.ndarray, bins: int) -> None:
        self._probabilities, self._labels, self._bins = probabilities, labels, bins
        self._kept: list[tuple[np.ndarray, np.ndarray]] | None = None

    def error(self, weights: np.ndarray | None = None) -> float:
        """Return the mean over classes of the expected calibration error of each probability.

        (1/C) sum_c sum_b n_cb/N |share of class c in bin b - mean p_c in bin b|.

        Reference:
            Kull et al., 2019, "Beyond temperature scaling"; Nixon et al., 2019 (there the static
            calibration error).
        """
        classes, total = self._probabilities.shape[1], float(len(self._labels))
        parts: Iterable[tuple[np.ndarray, np.ndarray]] = map(self._part, range(classes))
        if weights is not None:
            total = float(weights.sum())
            if self._probabilities.size <= _MOST_KEPT:  # a bootstrap asks for them again
                parts = self._kept = self._kept or list(parts)
            parts = ((index, gap * weights) for index, gap in parts)
        sums = (np.abs(np.bincount(index, gap, self._bins)).sum() for index, gap in parts)
        return float(sum(sums)) / (total * classes)

    def _part(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the bin of each row by the probability of a class, and p - [class is y]."""
        p = np.ascontiguousarray(self._probabilities[:, number])
        return equal_width(p, self._bins), p - (self._labels == number)
