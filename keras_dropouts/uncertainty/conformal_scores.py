"""Computes the scores of conformal prediction, and the threshold that a coverage takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid

SETS = ("lac", "aps", "raps")
INTERVALS = ("absolute", "scaled", "quantile")


def set_scores(p: Any, method: str, penalty: float, free: int, xp: Any) -> Any:
    """Return the score of each class, of the shape of the probabilities; less is likelier.

    "lac": 1 - p_c. "aps": the sum of all probabilities that stand before that of c, in falling
    order, so that the class that crosses the threshold is in the set. "raps": that, and `penalty`
    for each class that stands before c beyond the first `free` - 1 ones.
    """
    if method == "lac":
        return 1.0 - p
    order = xp.argsort(-p, axis=-1)
    ranks = xp.argsort(order, axis=-1)
    falling = xp.take_along_axis(p, order, axis=-1)
    before = xp.take_along_axis(xp.cumsum(falling, axis=-1) - falling, ranks, axis=-1)
    if method == "aps":
        return before
    beyond = ranks - (free - 1)
    beyond = beyond.astype(p.dtype) if xp is np else xp.cast(beyond, p.dtype)
    return before + penalty * xp.maximum(beyond, xp.zeros_like(p))


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
