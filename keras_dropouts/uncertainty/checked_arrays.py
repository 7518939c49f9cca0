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
    summed = array.shape[-1] == 1 or array.ndim == 1 or sums_to_one(array)
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
    if not summed:
        sums = array.sum(axis=-1)
        shown = f"{described(array)}, with sums from {sums.min():.4g} to {sums.max():.4g}"
        way_out = "Units that are independent of each other are evaluated one by one: x[..., k]."
        raise invalid(argument, _PROBABILITIES, shown, way_out)
    return array


def _tolerance(array: np.ndarray) -> float:
    narrow = array.dtype.kind == "f" and array.dtype.itemsize <= 2
    if array.dtype == np.float32:  # bfloat16 comes as float32, with nothing in its lower half
        narrow = not (np.ascontiguousarray(array).view("uint32") & 0xFFFF).any()
    return 1e-2 if narrow else 1e-3


def sums_to_one(array: np.ndarray) -> bool:
    """Return whether the numbers along the last axis have the sum 1, but for rounding."""
    sums = array.sum(axis=-1, dtype="float64")
    return bool(np.abs(sums - 1.0).max() <= _tolerance(array))


def class_labels(y: Any, shape: tuple[int, ...], classes: int) -> np.ndarray:
    """Return labels of `shape`, as they are given or taken out of one-hot rows.

    Raises:
        ValueError: if they have another shape.
    """
    labels = numbers(y, "y", finite=False)
    if labels.shape == (*shape, classes) and classes >= 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=-1) == 1).all()):
            raise invalid("y", "classes, or one-hot rows with a single 1", described(labels))
        return labels.argmax(axis=-1)
    if not same_shape(labels.shape, shape):
        expected = f"a class for each prediction, of shape {shape}"
        raise invalid("y", expected, described(labels))
    return labels.reshape(shape)


def whole_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels as int64 if each is a class from 0 to classes - 1.

    Raises:
        ValueError: naming the first one that is none.
    """
    with np.errstate(invalid="ignore"):
        whole = labels.astype("int64")
    good = (whole == labels) & (whole >= 0) & (whole < classes)
    if not good.all():
        worst = labels[~good][0].item()
        way_out = f"Pass `ignore_label={worst}` where it marks what is to be left out."
        expected = f"classes, whole numbers from 0 to {classes - 1}"
        raise invalid("y", expected, worst, way_out if worst == int_of(worst) else "")
    return whole


def int_of(value: float) -> int | None:
    """Return a whole number as an int, None for any other."""
    return int(value) if np.isfinite(value) and value == int(value) else None


def same_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether two shapes are the same, but for a last axis of 1."""
    return found == wanted or (*found, 1) == wanted or found == (*wanted, 1)
