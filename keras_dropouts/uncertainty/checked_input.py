"""Checks labels, probabilities and predictions in one place, and makes arrays of rows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dropouts.arguments import check_choice, check_positive, invalid, is_integer
from keras_dropouts.uncertainty.checked_arrays import (
    class_labels,
    class_probabilities,
    same_shape,
    sums_to_one,
    whole_labels,
)
from keras_dropouts.uncertainty.given_prediction import (
    Given,
    described,
    middle_of_quantiles,
    numbers,
    read,
)
from keras_dropouts.uncertainty.kept_rows import (
    kept,
    rows_of,
    served_flags,
    served_interval,
    units_of,
)

KINDS = ("classification", "regression")


@dataclass(frozen=True)
class Classes:
    """Predictions of classes that were checked, a row for each label.

    Pixels and tokens are rows, too; those that a mask or `ignore_label` leaves out are not here.

    probabilities: float64 of shape (N, C), C at least 2. labels: int64 of shape (N,). samples: of
    shape (T, N, C) in the dtype that was given, or None. mutual_information: float64 of shape (N,)
    where the prediction came with it, or None. sets and accept: booleans of shape (N, C) and (N,),
    where an artifact gives them, or None. units: int64 of shape (N,), the row of data that
    each row here is a part of, or None where each is one of its own. smallest: the least
    probability that a logarithm is taken of: the precision of float64, or of float32 where that or
    less was given.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    samples: np.ndarray | None = None
    mutual_information: np.ndarray | None = None
    sets: np.ndarray | None = None
    accept: np.ndarray | None = None
    units: np.ndarray | None = None
    smallest: float = float(np.finfo("float64").eps)


@dataclass(frozen=True)
class Values:
    """Predictions of numbers that were checked, all of shape (N,) and float64.

    std: the standard deviation, with that of the noise in it; None where there is none. samples:
    of shape (T, N) in the dtype that was given, or None. lower and upper: the ends of the intervals
    that an artifact gives, or None; they may be infinite. units: as in `Classes`. noise: the
    standard deviation of the noise that is in `std`, 0 for none.
    """

    mean: np.ndarray
    std: np.ndarray | None
    y: np.ndarray
    samples: np.ndarray | None = None
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    units: np.ndarray | None = None
    noise: float = 0.0


def kind_of(given: Given, y: Any, kind: str | None = None) -> str:
    """Return "classification" or "regression": `kind`, or what labels and shapes tell.

    What has a set is a class, and what has an interval is a number. Labels without the last axis of
    the outputs are classes, and so are one-hot labels and, with one output, labels of 0 and 1. All
    else are numbers to predict.

    Raises:
        ValueError: if labels and prediction do not tell.
    """
    if kind is not None:
        return str(check_choice(kind, "kind", KINDS))
    if {"set", "accept", "lower"} & given.served.keys():
        return KINDS["lower" in given.served]
    mean, y = given.mean, numbers(y, "y", finite=False)
    binary = bool(np.isin(y, (0, 1)).all())
    inside = bool(mean.min() >= 0.0 and mean.max() <= 1.0)
    if mean.ndim < 2 or mean.shape[-1] == 1:
        both = y.dtype.kind in "biu" or (y.min() == 0 and y.max() == 1)
        return KINDS[0] if binary and (inside or both) else KINDS[1]
    if y.shape != mean.shape:
        return KINDS[0]
    if binary and inside:
        if bool(np.all(y.sum(axis=-1) == 1)) and sums_to_one(mean):
            return KINDS[0]
        expected = f'"{KINDS[0]}" or "{KINDS[1]}", as labels of 0 and 1 may be either here'
        way_out = "Where each output is a class of its own, add an axis to it: outputs[..., None]."
        raise invalid("kind", expected, kind, way_out)
    return KINDS[1]


def checked_classes(
    prediction: Any,
    y: Any,
    *,
    output: str | None = None,
    mask: Any = None,
    ignore_label: int | None = None,
) -> Classes:
    """Return predictions of classes and their labels as rows.

    Args:
        prediction: What `read` takes, or a `Given`: probabilities of shape (N, C), (N, H, W, C) and
            so on; (N,) and (N, 1) are those of the second of two classes.
        y: Classes from 0 to C - 1, of the shape without the last axis (or with 1 as the last one),
            or one-hot. Floats must be whole numbers.
        output: The name of the output, where there are several.
        mask: Booleans of the shape of the labels; False leaves a row, pixel or token out.
        ignore_label: A label that does the same.

    Raises:
        ValueError: naming the argument that does not fit.
    """
    given = prediction if isinstance(prediction, Given) else read(prediction, output)
    samples = given.samples
    if samples is not None:  # first, as the mean of logits may look like probabilities
        _check_samples(samples, given.mean.shape)
        samples = samples[..., None] if given.mean.ndim == 1 else samples
        samples = class_probabilities(samples, "samples", widen=False)
    probabilities = class_probabilities(given.mean)
    shape = probabilities.shape[:-1]
    labels = class_labels(y, shape, probabilities.shape[-1])
    keep = kept(mask, shape)
    if ignore_label is not None:
        if not is_integer(ignore_label):
            raise invalid("ignore_label", "None or an integer", ignore_label)
        keep = (labels != ignore_label).reshape(-1) & (True if keep is None else keep)
    flat = rows_of(labels.reshape(-1), keep)
    _check_some_left(flat)
    flat = whole_labels(flat, probabilities.shape[-1])
    if samples is not None:
        samples = rows_of(samples.reshape(len(samples), -1, samples.shape[-1]), keep, axis=1)
    information = given.mutual_information
    if information is not None:
        if information.size != labels.size:
            raise invalid("mutual_information", f"shape {shape}", described(information))
        information = rows_of(information.reshape(-1).astype("float64"), keep)
    return Classes(
        rows_of(probabilities.reshape(-1, probabilities.shape[-1]), keep),
        flat,
        samples,
        information,
        served_flags(given.served, "set", probabilities.shape, keep),
        served_flags(given.served, "accept", shape, keep),
        units_of(shape, keep),
        _precision(given.mean.dtype),
    )


def checked_values(
    prediction: Any,
    y: Any,
    *,
    output: str | None = None,
    std: Any = None,
    noise: float = 0.0,
    mask: Any = None,
) -> Values:
    """Return predictions of numbers and the true ones as rows.

    Args:
        prediction: What `read` takes, or a `Given`: numbers of shape (N,), (N, 1), (N, D) and so
            on, with their standard deviation where it has one.
        y: The true numbers, of the same shape; (N,) and (N, 1) stand for each other.
        output: The name of the output, where there are several.
        std: The standard deviation of each number where the prediction is an array, of its shape.
        noise: The standard deviation of noise in the data that the prediction leaves out; it is
            added, squared, to the variance.
        mask: Booleans of the shape of `y`; False leaves a number out.

    Raises:
        ValueError: naming the argument that does not fit.
    """
    given = prediction if isinstance(prediction, Given) else read(prediction, output)
    given = middle_of_quantiles(given)
    truth = numbers(y, "y", finite=False)
    mean = given.mean
    if not same_shape(truth.shape, mean.shape):
        raise invalid("y", f"numbers of shape {mean.shape}, as the prediction", described(truth))
    samples, given_std = given.samples, given.std
    if samples is not None:
        _check_samples(samples, mean.shape)
        given_std = np.std(samples, axis=0, dtype="float64") if given_std is None else given_std
    if std is not None:
        if given_std is not None:
            raise invalid("std", "None, as the prediction has a standard deviation", std)
        given_std = numbers(std, "std")
    if given_std is not None and not same_shape(given_std.shape, mean.shape):
        raise invalid("std", f"numbers of shape {mean.shape}", described(given_std))
    if noise:
        check_positive(noise, "noise")
    keep = kept(mask, mean.shape)
    wanted = rows_of(truth.reshape(-1).astype("float64"), keep)
    _check_some_left(wanted)
    if given_std is not None:
        given_std = rows_of(given_std.reshape(-1).astype("float64"), keep)
    if samples is not None:
        samples = rows_of(samples.reshape(len(samples), -1), keep, axis=1)
    return Values(
        rows_of(mean.reshape(-1).astype("float64"), keep),
        _with_noise(given_std, noise),
        numbers(wanted, "y"),
        samples,
        *served_interval(given.served, mean.shape, keep),
        units_of(mean.shape, keep),
        float(noise),
    )


def _check_some_left(labels: np.ndarray) -> None:
    if not labels.size:
        raise invalid("y", "at least one label that is not left out", "none")


def _check_samples(samples: np.ndarray, shape: tuple[int, ...]) -> None:
    if samples.shape[1:] != shape:
        raise invalid("samples", f"shape (samples, {str(shape)[1:]}", described(samples))


def _with_noise(std: np.ndarray | None, noise: float) -> np.ndarray | None:
    if std is None:
        return None
    if std.min() < 0.0:
        raise invalid("std", "numbers not below 0", float(std.min()))
    return np.hypot(std, noise) if noise else std


def _precision(dtype: np.dtype[Any]) -> float:
    return float(np.finfo("float32" if dtype.kind == "f" and dtype.itemsize < 8 else "float64").eps)
