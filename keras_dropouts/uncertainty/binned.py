"""Measures calibration in bins of confidence: how far it is from the accuracy there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    index = np.ceil(confidence * bins).astype("int64") - 1
    return np.clip(index, 0, bins - 1, out=index)


def equal_mass(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each row where bins hold equally many rows, as far as ties allow.

    Row i is in bin floor(B K / N), with K the number of rows that are less confident: rows of the
    same confidence share a bin.

    Reference:
        Nguyen and O'Connor, 2015, "Posterior calibration and exploratory analysis for natural
        language processing models"; Nixon et al., 2019, "Measuring calibration in deep learning".
    """
    ordered = np.sort(confidence)
    less = np.searchsorted(ordered, confidence, side="left")
    return less * bins // len(confidence)


def classwise_error(
    probabilities: np.ndarray,
    labels: np.ndarray,
    bins: int,
    weights: np.ndarray | None = None,
) -> float:
    """Return the mean over classes of the expected calibration error of each class's probability.

    (1/C) sum_c sum_b n_cb/N |share of class c in bin b - mean p_c in bin b|, with bins of equal
    width.

    Reference:
        Kull et al., 2019, "Beyond temperature scaling"; Nixon et al., 2019 (there the static
        calibration error).
    """
    total, classes = float(len(labels) if weights is None else weights.sum()), 0.0
    for number in range(probabilities.shape[1]):
        p = probabilities[:, number]
        gap = p - (labels == number)
        if weights is not None:
            gap *= weights
        classes += float(np.abs(np.bincount(equal_width(p, bins), gap, bins)).sum())
    return classes / (total * probabilities.shape[1])
