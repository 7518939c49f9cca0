"""Measures how well a score tells rows that are out of distribution from those that are in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropouts.uncertainty.given_prediction import numbers

RECALL = 0.95


def out_of_distribution(in_scores: Any, out_scores: Any) -> dict[str, float]:
    """Measure how well a score of uncertainty detects what is out of distribution.

    A row is taken for out of distribution where its score is high: entropy, mutual information, or
    minus the confidence. The rows that are to be found, the positives, are those out of
    distribution. Rows of the same score are detected together, so no order matters.

    Args:
        in_scores: Numbers, one for each row of data like those of the training; any shape, as a
            score for each pixel is as good.
        out_scores: The same of data unlike those.

    Returns:
        A dict of

        - `auroc`: P(out > in) + P(out = in) / 2, in [0, 1]; 0.5 for a score that tells nothing.
        - `aupr`: the average precision, sum_k (recall_k - recall_{k-1}) precision_k over the
          thresholds from the highest; a score that tells nothing has the share of positives.
        - `fpr95`: the least share of `in_scores` that is detected at a threshold which detects at
          least 95 % of `out_scores`.
        - `aupr_in` and `fpr95_in`: the same where rows in distribution are the positives, and low
          scores detect them. Many papers report these.

    Raises:
        ValueError: if one of the two is empty, since none of the figures is defined then, or holds
            anything but finite numbers.

    Reference:
        Hendrycks and Gimpel, 2017, "A baseline for detecting misclassified and out-of-distribution
        examples in neural networks"; Liang, Li and Srikant, 2018, "Enhancing the reliability of
        out-of-distribution image detection in neural networks" (FPR95); Mann and Whitney, 1947.

    Example:

    >>> import keras_dropouts as kd
    >>> found = kd.uncertainty.out_of_distribution([0.1, 0.2, 0.4], [0.3, 0.9])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'auroc': 0.833, 'aupr': 0.833, 'fpr95': 0.333, 'aupr_in': 0.917, 'fpr95_in': 0.5}
    """
    inside = numbers(in_scores, "in_scores").reshape(-1).astype("float64")
    outside = numbers(out_scores, "out_scores").reshape(-1).astype("float64")
    hits, alarms = _detected(outside, inside)
    hits_in, alarms_in = _detected(-inside, -outside)
    return {
        "auroc": float(np.diff(alarms) @ (hits[1:] + hits[:-1]) / (2 * hits[-1] * alarms[-1])),
        "aupr": _average_precision(hits, alarms),
        "fpr95": _false_positives(hits, alarms),
        "aupr_in": _average_precision(hits_in, alarms_in),
        "fpr95_in": _false_positives(hits_in, alarms_in),
    }


def _detected(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many of each are detected at every threshold, from none to all, float64."""
    scores = np.concatenate([positives, negatives])
    order = np.argsort(-scores)
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    hits = np.cumsum(order < len(positives))[ends]
    return np.append(0.0, hits), np.append(0.0, ends + 1 - hits)


def _average_precision(hits: np.ndarray, alarms: np.ndarray) -> float:
    precision = hits[1:] / (hits[1:] + alarms[1:])
    return float(np.diff(hits) @ precision / hits[-1])


def _false_positives(hits: np.ndarray, alarms: np.ndarray) -> float:
    first = int(np.searchsorted(hits, np.ceil(RECALL * hits[-1] - 1e-9)))
    return float(alarms[first] / alarms[-1])
