"""Computes how certain predictions of classes are, by one of three scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.checked_input import Classes

SCORES = ("confidence", "entropy", "mutual_information")
_AT_ONCE = 2**20  # numbers that are in a temporary array


def certainty(classes: Classes, score: str) -> np.ndarray:
    """Return how certain each prediction is, float64 of shape (N,); higher is more certain.

    "confidence": max_c p_c. "entropy": -H[p] = sum_c p_c log p_c, in nats. "mutual_information":
    -(H[mean_t p_t] - mean_t H[p_t]) of the samples p_t, or minus what the prediction came with.

    Raises:
        ValueError: if there is no such score, or it needs samples that were not kept.
    """
    if score not in available(classes):
        names = ", ".join(repr(name) for name in available(classes))
        way_out = ""
        if score in SCORES:
            way_out = "It needs samples: predict without `reduce`, or export with `uncertainty`."
        raise invalid("score", f"one of {names}", score, way_out)
    if score == "confidence":
        return classes.probabilities.max(axis=1)
    if score == "entropy":
        return -entropies(classes.probabilities)
    return -_information(classes)


def available(classes: Classes) -> tuple[str, ...]:
    """Return the scores that a prediction has."""
    informed = classes.samples is not None or classes.mutual_information is not None
    return SCORES if informed else SCORES[:2]


def entropies(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of each row in nats, float64 of shape (N,)."""
    found = np.empty(len(probabilities))
    for rows in _parts(*probabilities.shape):
        p = probabilities[rows].astype("float64", copy=False)
        logs = np.log(p, where=p > 0.0, out=np.zeros_like(p))
        found[rows] = -np.einsum("nc,nc->n", p, logs)
    return found


def _information(classes: Classes) -> np.ndarray:
    if classes.samples is None:
        assert classes.mutual_information is not None  # `available` has said so
        return classes.mutual_information
    found = np.empty(len(classes.probabilities))
    count, _, width = classes.samples.shape
    for rows in _parts(len(found), count * width):
        samples = classes.samples[:, rows].astype("float64")
        expected = entropies(samples.reshape(-1, width)).reshape(count, -1).mean(axis=0)
        found[rows] = entropies(samples.mean(axis=0)) - expected
    return np.maximum(found, 0.0)


def _parts(rows: int, width: int) -> Iterator[slice]:
    """Yield slices of rows that bound the memory of temporary arrays."""
    size = max(_AT_ONCE // max(width, 1), 1)
    for begin in range(0, rows, size):
        yield slice(begin, begin + size)
