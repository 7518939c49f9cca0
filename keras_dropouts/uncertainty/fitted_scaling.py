"""Fits the numbers of calibrations by the likelihood of labelled data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.calibration_layer import SMALLEST

LIMITS = (0.01, 100.0)  # of a temperature
_PULL = 1e-4  # of vector scaling towards weights of 1 and biases of 0


def temperature_of(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature t with the least -log q_y, where q = softmax(log p / t).

    That is convex in 1/t, so its derivative, mean(E_q[log p] - log p_y), has one root, which
    Newton's method finds, kept inside an interval that shrinks. What has the probability 0 keeps
    it at every temperature, so rows whose class has it are left out. Within `LIMITS`.

    Raises:
        ValueError: if the best is 0, as every row that is possible is right.
    """
    possible = probabilities[np.arange(len(labels)), labels] > 0.0
    probabilities, labels = probabilities[possible], labels[possible]
    logs = np.log(np.maximum(probabilities, SMALLEST))
    own = logs[np.arange(len(labels)), labels].sum()
    if not own < logs.max(axis=1).sum():
        expected = "some labels that are not the most probable class, but possible"
        way_out = "Take more rows: no temperature above 0 is the best for these."
        raise invalid("y", expected, "none", way_out)
    own = own / len(labels)
    low, high = 1.0 / LIMITS[1], 1.0 / LIMITS[0]
    inverse = 1.0
    for _ in range(100):
        powers = np.exp(inverse * (logs - logs.max(axis=1, keepdims=True)))
        powers = np.where(probabilities > 0.0, powers, 0.0)
        q = powers / powers.sum(axis=1, keepdims=True)
        means = np.einsum("nc,nc->n", q, logs)
        slope = float(means.mean() - own)
        low, high = (low, inverse) if slope > 0.0 else (inverse, high)
        curvature = float((np.einsum("nc,nc->n", q, logs * logs) - means * means).mean())
        step = inverse - slope / curvature if curvature > 0.0 else 0.0
        following = step if low < step < high else 0.5 * (low + high)
        if abs(following - inverse) <= 1e-10 * inverse:
            break
        inverse = following
    return 1.0 / following


def temperature_within(samples: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature of each sample with the least -log of their mean's p_y.

    samples: (T, N, C). It has several minima at worst, so 41 temperatures are tried, and the best
    one is refined by golden section.

    Raises:
        ValueError: if none above 0.01 is the best, as nearly every row is right.
    """
    logs = np.log(np.maximum(samples.astype("float64"), SMALLEST))
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        scores = logs / np.exp(log_t)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mean = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)
        return float(-np.log(np.maximum(mean[rows, labels], SMALLEST)).mean())

    grid = np.linspace(np.log(LIMITS[0]), np.log(LIMITS[1]), 41)
    best = int(np.argmin([loss(x) for x in grid]))
    if best == 0:
        expected = "some labels that are not the most probable class, but possible"
        way_out = "Take more rows: no temperature above 0 is the best for these."
        raise invalid("y", expected, "too few", way_out)
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return float(np.exp(_golden(loss, float(low), float(high))))


def _golden(function: Callable[[float], float], low: float, high: float) -> float:
    ratio = 0.5 * (5**0.5 - 1.0)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(40):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return 0.5 * (low + high)


def vector_of(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights w and biases b with the least -log q_y, q = softmax(w * log p + b).

    1e-4 / 2 times the squares of w - 1 and b are added to the mean, so that the minimum is one
    point. It is convex, and found by L-BFGS.

    Reference:
        Liu and Nocedal, 1989, "On the limited memory BFGS method for large scale optimization".
    """
    logs = np.log(np.maximum(probabilities, SMALLEST))
    rows, classes = logs.shape
    start = np.concatenate([np.ones(classes), np.zeros(classes)])

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        scores = logs * point[:classes] + point[classes:]
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        sums = powers.sum(axis=1)
        away = point - start
        value = np.log(sums).mean() - scores[np.arange(rows), labels].mean()
        error = powers / sums[:, None]
        error[np.arange(rows), labels] -= 1.0
        slope = np.concatenate([(error * logs).mean(axis=0), error.mean(axis=0)])
        return float(value + 0.5 * _PULL * away @ away), slope + _PULL * away

    found = _least(loss, start)
    return found[:classes], found[classes:]


def _least(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray
) -> np.ndarray:
    """Return where a convex function is least, by L-BFGS with ten steps kept."""
    point, (value, slope) = start, function(start)
    kept: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=10)
    for _ in range(500):
        if np.abs(slope).max() <= 1e-7:
            break
        direction = -_inverse_hessian(slope, kept)
        size = 1.0 if kept else min(1.0, 1.0 / float(np.abs(slope).sum()))
        for _ in range(50):
            following = point + size * direction
            new_value, new_slope = function(following)
            if new_value <= value + 1e-4 * size * float(slope @ direction):
                break
            size *= 0.5
        else:
            break  # no step makes it less: rounding is reached
        moved, changed = following - point, new_slope - slope
        if float(moved @ changed) > 1e-12:
            kept.append((moved, changed))
        point, value, slope = following, new_value, new_slope
    return point


def _inverse_hessian(slope: np.ndarray, kept: deque[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the product of the estimated inverse Hessian and `slope`."""
    found, shares = slope.copy(), []
    for moved, changed in reversed(kept):
        share = float(moved @ found) / float(moved @ changed)
        shares.append(share)
        found -= share * changed
    if kept:
        moved, changed = kept[-1]
        found *= float(moved @ changed) / float(changed @ changed)
    for (moved, changed), share in zip(kept, reversed(shares), strict=True):
        found += moved * (share - float(changed @ found) / float(moved @ changed))
    return found
