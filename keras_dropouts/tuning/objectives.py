"""Turns the name of an objective into a function of a Monte-Carlo prediction and the labels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_dropouts.arguments import check_positive, invalid, is_real
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.uncertainty.binned import equal_width
from keras_dropouts.uncertainty.checked_input import (
    Classes,
    Values,
    checked_classes,
    checked_values,
    kind_of,
)
from keras_dropouts.uncertainty.classification import brier_scores, log_losses
from keras_dropouts.uncertainty.given_prediction import Given, read
from keras_dropouts.uncertainty.regression import normal_nll, samples_crps

Objective = Callable[[MonteCarloPrediction, Any], float]

_BINS = 15


def objective_of(objective: Any, noise: Any = 0.0) -> tuple[str, Objective]:
    """Return the name of an objective and the function that computes it.

    noise: the standard deviation of the noise in the data, for "nll" of numbers.

    Raises:
        ValueError: if it is neither one of the names nor a function, or `noise` is below 0.
    """
    if not (is_real(noise) and noise == 0.0):
        check_positive(noise, "noise")
    if isinstance(objective, str) and objective in _NAMED:
        return objective, functools.partial(_NAMED[objective], noise=float(noise))
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
    if math.isnan(number):
        expected = f"a function that returns a number, lower where better (it returned {value!r})"
        raise invalid("objective", expected, objective)
    return number


def nll(prediction: MonteCarloPrediction, y: Any, noise: float = 0.0) -> float:
    """Return the mean negative log likelihood, in nats.

    Of classes: -log of the mean probability of the label. Of numbers: that of the normal
    distribution with the mean of the samples and their variance plus that of the noise, which is
    infinite where there is no variance.
    """
    given = read(prediction, None)
    if kind_of(given, y) == "classification":
        classes = checked_classes(given, y)
        return float(log_losses(classes.probabilities, classes.labels, classes.smallest).mean())
    values = _values(given, y, noise)
    if values.std is None or values.std.min() <= 0.0:
        return math.inf
    return float(normal_nll(values.y - values.mean, values.std).mean())


def brier(prediction: MonteCarloPrediction, y: Any, noise: float = 0.0) -> float:
    """Return the mean squared error of the mean probabilities, summed over classes."""
    classes = _classes(prediction, y)
    return float(brier_scores(classes.probabilities, classes.labels).mean())


def ece(prediction: MonteCarloPrediction, y: Any, noise: float = 0.0) -> float:
    """Return the expected calibration error of the mean probabilities, in bins of equal width."""
    classes = _classes(prediction, y)
    confidence = classes.probabilities.max(axis=1)
    right = classes.probabilities.argmax(axis=1) == classes.labels
    place = equal_width(confidence, _BINS)
    gaps = np.bincount(place, right, _BINS) - np.bincount(place, confidence, _BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def rmse(prediction: MonteCarloPrediction, y: Any, noise: float = 0.0) -> float:
    """Return the root of the mean squared error of the mean of the samples."""
    values = _values(read(prediction, None), y, 0.0)
    return math.sqrt(float(np.mean((values.y - values.mean) ** 2)))


def crps(prediction: MonteCarloPrediction, y: Any, noise: float = 0.0) -> float:
    """Return the mean continuous ranked probability score of the samples, in its fair form."""
    values = _values(read(prediction, None), y, 0.0)
    if values.samples is None or len(values.samples) < 2:
        raise invalid("samples", "two or more for the objective 'crps'", 1)
    return float(samples_crps(values.samples, values.y).mean())


_NAMED: dict[str, Callable[..., float]] = {
    "nll": nll,
    "brier": brier,
    "ece": ece,
    "rmse": rmse,
    "crps": crps,
}


def _classes(prediction: MonteCarloPrediction, y: Any) -> Classes:
    given = read(prediction, None)
    if kind_of(given, y) != "classification":
        expected = "labels of classes, integers or one-hot, for this objective"
        raise invalid("y", expected, y, 'For numbers take "nll", "rmse" or "crps".')
    return checked_classes(given, y)


def _values(given: Given, y: Any, noise: float) -> Values:
    labels = np.asarray(y)
    if labels.ndim > 1 and labels.shape[-1] > 1 and labels.shape == given.mean.shape:
        ones = (labels == 1).sum(axis=-1) == 1
        if ones.all() and np.isin(labels, (0, 1)).all():
            expected = "a model that predicts probabilities where `y` is one-hot"
            way_out = "Pass a function of `prediction.as_probabilities()` and y for logits."
            raise invalid("model", expected, "other outputs", way_out)
    return checked_values(given, y, noise=noise)
