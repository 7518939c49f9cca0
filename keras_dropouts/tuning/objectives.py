"""Turns the name of an objective into a function of a Monte-Carlo prediction and the labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid, is_real
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction

Objective = Callable[[MonteCarloPrediction, Any], float]

_TINY = 1e-12  # the least probability that a logarithm is taken of


def objective_of(objective: Any) -> tuple[str, Objective]:
    """Return the name of an objective and the function that computes it.

    Raises:
        ValueError: if it is neither one of the names nor a function.
    """
    if isinstance(objective, str) and objective in _NAMED:
        return objective, _NAMED[objective]
    if isinstance(objective, str) or not callable(objective):
        names = ", ".join(map(repr, _NAMED))
        raise invalid("objective", f"one of {names}, or a function (prediction, y)", objective)
    return getattr(objective, "__name__", "objective"), objective


def value_of(objective: Objective, prediction: MonteCarloPrediction, y: Any) -> float:
    """Return an objective as a float.

    Raises:
        ValueError: if it is no number, or NaN.
    """
    value = objective(prediction, y)
    array = np.asarray(value)
    number = float(array) if array.shape == () and array.dtype.kind in "iuf" else math.nan
    if not is_real(number) or math.isnan(number):
        expected = f"a function that returns a number, lower where better (it returned {value!r})"
        raise invalid("objective", expected, objective)
    return number


def nll(prediction: MonteCarloPrediction, y: Any) -> float:
    """Return the mean negative log likelihood, in nats.

    Of classes: -log of the mean probability of the label. Of numbers: that of the normal
    distribution with the mean and the standard deviation of the samples,

        0.5 * log(2 * pi * std**2) + (y - mean)**2 / (2 * std**2),

    which is infinite where all samples are the same.
    """
    samples = _samples(prediction)
    labels = _labels(samples, y)
    if labels is not None:
        chosen = np.take_along_axis(_probabilities(samples), labels[:, None], axis=1)
        return float(-np.mean(np.log(np.maximum(chosen, _TINY))))
    values = _values(samples, y)
    mean, variance = samples.mean(axis=0), samples.var(axis=0)
    if not (variance > 0.0).all():
        return math.inf
    return float(np.mean(0.5 * np.log(2 * np.pi * variance) + (values - mean) ** 2 / variance / 2))


def brier(prediction: MonteCarloPrediction, y: Any) -> float:
    """Return the mean squared error of the mean probabilities, summed over classes."""
    p, labels = _classes(prediction, y, "brier")
    return float(np.mean(np.sum((p - np.eye(p.shape[1])[labels]) ** 2, axis=1)))


def ece(prediction: MonteCarloPrediction, y: Any, bins: int = 15) -> float:
    """Return the expected calibration error of the mean probabilities, in bins of equal width."""
    p, labels = _classes(prediction, y, "ece")
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, right, bins) - np.bincount(place, confidence, bins)
    return float(np.abs(gaps).sum() / len(labels))


def rmse(prediction: MonteCarloPrediction, y: Any) -> float:
    """Return the root of the mean squared error of the mean of the samples."""
    samples = _samples(prediction)
    return float(np.sqrt(np.mean((samples.mean(axis=0) - _values(samples, y)) ** 2)))


def crps(prediction: MonteCarloPrediction, y: Any) -> float:
    """Return the mean continuous ranked probability score of the samples' own distribution.

    mean_t |x_t - y| - 0.5 * mean_ts |x_t - x_s|, the second term from the sorted samples.
    """
    samples = _samples(prediction)
    count = len(samples)
    weights = 2.0 * np.arange(1, count + 1) - count - 1
    pairs = np.tensordot(weights, np.sort(samples, axis=0), axes=1) / count**2
    return float(np.mean(np.abs(samples - _values(samples, y)).mean(axis=0) - pairs))


_NAMED: dict[str, Objective] = {"nll": nll, "brier": brier, "ece": ece, "rmse": rmse, "crps": crps}


def _samples(prediction: MonteCarloPrediction) -> np.ndarray:
    samples = prediction.samples
    if not isinstance(samples, np.ndarray):
        expected = "a model with one output where the objective is a name"
        raise invalid("model", expected, prediction, "Pass a function (prediction, y) -> number.")
    if not np.isfinite(samples).all():
        raise invalid("model", "a model that predicts finite numbers", "NaN or infinity")
    return samples.astype("float64")


def _probabilities(samples: np.ndarray) -> np.ndarray:
    """Return the mean probabilities, of shape (N, C); one unit stands for two classes."""
    mean = samples.mean(axis=0)
    mean = mean.reshape(-1, mean.shape[-1])
    return np.concatenate([1.0 - mean, mean], axis=1) if mean.shape[1] == 1 else mean


def _labels(samples: np.ndarray, y: Any) -> np.ndarray | None:
    """Return labels as integers of shape (N,), None where the task is regression.

    It is classification where the last axis of the samples holds probabilities of classes, or one
    probability and the labels are 0 and 1, and the labels are integers, booleans or one-hot.
    """
    labels = np.asarray(y)
    if samples.min() < 0.0 or samples.max() > 1.0 + 1e-3 or labels.dtype.kind not in "biuf":
        return None
    units, lead = samples.shape[-1], samples.shape[1:-1]
    whole = np.array_equal(labels, np.floor(labels))
    if samples.ndim < 3 or not whole:
        return None
    if units > 1 and not np.allclose(samples.sum(axis=-1), 1.0, atol=1e-2, rtol=0.0):
        return None
    if units > 1 and labels.shape == samples.shape[1:] and (labels.sum(axis=-1) == 1).all():
        labels = labels.argmax(axis=-1)
    if labels.shape not in (lead, (*lead, 1)):
        return None
    if labels.min() < 0 or labels.max() >= max(units, 2):
        raise invalid("y", f"labels from 0 to {max(units, 2) - 1}", [labels.min(), labels.max()])
    return labels.reshape(-1).astype("int64")


def _classes(
    prediction: MonteCarloPrediction, y: Any, objective: str
) -> tuple[np.ndarray, np.ndarray]:
    samples = _samples(prediction)
    labels = _labels(samples, y)
    if labels is None:
        expected = "probabilities of classes, and integer or one-hot labels of as many rows"
        raise invalid(
            "model", f"{expected}, for the objective {objective!r}", prediction, _AS_PROBABILITIES
        )
    return _probabilities(samples), labels


_AS_PROBABILITIES = (
    "Where the outputs are logits, pass a function of `prediction.as_probabilities()` and y."
)


def _values(samples: np.ndarray, y: Any) -> np.ndarray:
    """Return targets as float64 of the shape of one sample."""
    values = np.asarray(y)
    shape = samples.shape[1:]
    if values.dtype.kind not in "biuf" or values.size != np.prod(shape) or len(values) != shape[0]:
        expected = f"numbers of shape {shape}, or labels where the model predicts probabilities"
        raise invalid("y", expected, values, _AS_PROBABILITIES)
    if values.ndim > 1 and values.shape[-1] > 1:
        ones = (values == 1).sum(axis=-1) == 1
        if ones.all() and ((values == 0) | (values == 1)).all():
            expected = "a model that predicts probabilities where `y` is one-hot"
            raise invalid("model", expected, "other outputs", _AS_PROBABILITIES)
    return values.reshape(shape).astype("float64")
