"""Checks arrays of probabilities and of labels: their numbers, sums, shapes and types."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.given_prediction import described, numbers

_PROBABILITIES = "class probabilities along the last axis, from 0 to 1 and with the sum 1"
_LOGITS = (
    "They may be logits: take their softmax first (of one unit the sigmoid), or "
    "`.as_probabilities()` of a MonteCarloPrediction. For numbers to predict pass "
    'kind="regression".'
)


def class_probabilities(
    value: Any, argument: str = "prediction", *, widen: bool = True
) -> np.ndarray:
    """Return probabilities of shape (..., C), of two classes where there was one unit.

    Nothing is scaled or cut: numbers that do not sum to one are refused, but for what the dtype
    rounds (1e-3, with 16 bits 1e-2). widen: whether to return float64, as labels are compared with.

    Raises:
        ValueError: if the numbers are no probabilities.
    """
    array = numbers(value, argument)
    low, high = float(array.min()), float(array.max())
    if low < 0.0 or high > 1.0 + _tolerance(array):
        shown = f"{described(array)}, with numbers from {low:.4g} to {high:.4g}"
        raise invalid(argument, _PROBABILITIES, shown, _LOGITS)
    if widen or array.dtype.kind != "f":
        array = array.astype("float64")
    if array.ndim == 1:
        array = array[:, None]
    if array.shape[-1] == 1:
        return np.concatenate([1 - array, array], axis=-1)
    if not sums_to_one(array if widen is False else numbers(value, argument)):
        sums = array.sum(axis=-1)
        shown = f"{described(array)}, with sums from {sums.min():.4g} to {sums.max():.4g}"
        raise invalid(argument, _PROBABILITIES, shown)
    return array


def label_array(y: Any) -> np.ndarray:
    """Return labels as an array of finite numbers."""
    return numbers(y, "y")


def _tolerance(array: np.ndarray) -> float:
    return 1e-2 if array.dtype.kind == "f" and array.dtype.itemsize <= 2 else 1e-3


def sums_to_one(array: np.ndarray) -> bool:
    """Return whether the numbers along the last axis have the sum 1, but for rounding."""
    sums = array.sum(axis=-1, dtype="float64")
    return bool(np.abs(sums - 1.0).max() <= _tolerance(array))


def class_labels(y: Any, shape: tuple[int, ...], classes: int) -> np.ndarray:
    """Return labels as int64 of `shape`: classes, of that shape or with a last axis of 1, or one-hot.

    Raises:
        ValueError: if they have another shape, or are no whole numbers.
    """
    labels = label_array(y)
    if labels.shape == (*shape, classes) and classes >= 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=-1) == 1).all()):
            raise invalid("y", "classes, or one-hot rows with a single 1", described(labels))
        return labels.argmax(axis=-1)
    if not same_shape(labels.shape, shape):
        expected = f"a class for each prediction, of shape {shape}"
        raise invalid("y", expected, described(labels))
    whole = labels.astype("int64")
    if not (whole == labels).all():
        shown = f"{described(labels)} with {labels[whole != labels].reshape(-1)[0]}"
        raise invalid("y", f"classes, whole numbers from 0 to {classes - 1}", shown)
    return whole.reshape(shape)


def check_range(labels: np.ndarray, classes: int) -> None:
    """Raise a clear error if a label is no class."""
    if labels.min() < 0 or labels.max() >= classes:
        worst = labels.min() if labels.min() < 0 else labels.max()
        way_out = f"Pass `ignore_label={worst}` where it marks what is to be left out."
        raise invalid("y", f"classes from 0 to {classes - 1}", int(worst), way_out)


def same_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether two shapes are the same, but for a last axis of 1."""
    return found == wanted or (*found, 1) == wanted or found == (*wanted, 1)
