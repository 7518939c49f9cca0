"""Computes the scores of conformal prediction, and the threshold that a coverage takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid

SETS = ("lac", "aps", "raps")
INTERVALS = ("absolute", "scaled", "quantile")


def set_scores(p: np.ndarray, method: str, penalty: float, free: int) -> np.ndarray:
    """Return the score of each class, of the shape of the probabilities; less is likelier.

    "lac": 1 - p_c. "aps": the sum of all probabilities that stand before that of c, in falling
    order, so that the class that crosses the threshold is in the set. "raps": that, and `penalty`
    for each class that stands before c beyond the first `free` - 1 ones. Classes of the same
    probability have the same score, that of the first of them, so no order of the classes counts.
    """
    if method == "lac":
        return 1.0 - p
    order = np.argsort(-p, axis=-1, kind="stable")
    falling = np.take_along_axis(p, order, axis=-1)
    number = np.arange(p.shape[-1])
    starts = np.concatenate(
        [np.ones_like(falling[..., :1], bool), falling[..., 1:] < falling[..., :-1]], axis=-1
    )
    first = np.maximum.accumulate(np.where(starts, number, 0), axis=-1)
    before = np.take_along_axis(np.cumsum(falling, axis=-1) - falling, first, axis=-1)
    if method == "raps":
        before = before + penalty * np.maximum(first - (free - 1), 0)
    found = np.empty_like(before)
    np.put_along_axis(found, order, before, axis=-1)
    return found


def sets_of_tensors(p: Any, method: str, thresholds: Any, penalty: float, free: int) -> Any:
    """Return which classes have a score of "aps" or "raps" up to the threshold, for tensors.

    One threshold takes in a class where it takes in all that are more probable, so the least
    probable class that it takes in is looked for among the sorted ones, which needs no way back to
    the order of the classes. Of several thresholds each needs the score of its own class: it is
    summed over pairs of classes.

    thresholds: a tensor of shape (1,) or (C,).
    """
    classes = p.shape[-1]
    beyond = np.maximum(np.arange(classes) - (free - 1), 0) * (penalty if method == "raps" else 0.0)
    if thresholds.shape[0] == 1:
        falling = ops.top_k(p, classes)[0]
        limits = thresholds - ops.cast(beyond.astype("float32"), p.dtype)
        inside = ops.cumsum(falling, axis=-1) - falling <= limits
        least = ops.min(ops.where(inside, falling, ops.ones_like(p) * 2.0), axis=-1, keepdims=True)
        return p >= least
    larger = ops.cast(p[..., None, :] > p[..., :, None], p.dtype)
    scores = ops.sum(larger * p[..., None, :], axis=-1)
    if method == "raps":
        ranks = ops.sum(larger, axis=-1) - (free - 1.0)
        scores = scores + penalty * ops.maximum(ranks, ops.zeros_like(p))
    return scores <= thresholds


def threshold_of(scores: np.ndarray, coverage: float, of: str = "") -> float:
    """Return the ceil((n + 1) * coverage)-th smallest of n scores.

    A new row of the same kind has a score of at most that with a probability of at least
    `coverage`, and of at most coverage + 1/(n + 1) where no two scores are equal.

    Raises:
        ValueError: if there are too few rows, saying how many are needed.

    Reference:
        Vovk, Gammerman and Shafer, 2005, "Algorithmic learning in a random world"; Lei, G'Sell,
        Rinaldo, Tibshirani and Wasserman, 2018.
    """
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    if rank > len(scores):
        raise invalid(
            "y",
            f"at least {least_rows(coverage)} rows{of} for a coverage of {coverage:g}",
            f"{len(scores)} rows",
        )
    return float(np.partition(scores, rank - 1)[rank - 1])


def least_rows(coverage: float) -> int:
    """Return the least number of rows from which a coverage can be had."""
    return math.ceil(coverage / (1.0 - coverage) - 1e-9)
