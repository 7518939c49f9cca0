"""Offers `conformal`: sets and intervals that hold the truth as often as they are asked to."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import (
    check_choice,
    check_flag,
    check_integer,
    check_seed,
    invalid,
    is_real,
)
from keras_dropouts.uncertainty.calibrate import check_several_classes, predicted
from keras_dropouts.uncertainty.calibration_layer import Calibration
from keras_dropouts.uncertainty.checked_input import checked_classes, kind_of
from keras_dropouts.uncertainty.conformal_intervals import ConformalIntervals
from keras_dropouts.uncertainty.conformal_scores import (
    INTERVALS,
    SETS,
    set_scores,
    threshold_of,
)
from keras_dropouts.uncertainty.conformal_sets import ConformalSets
from keras_dropouts.uncertainty.fitted_again import ANY
from keras_dropouts.uncertainty.given_prediction import Given, read
from keras_dropouts.uncertainty.interval_thresholds import interval_thresholds

_SAMPLES = 32  # of a model whose standard deviation is needed
_SAME = {"thr": "lac"}  # other names


def conformal(
    prediction: Any,
    x: Any = None,
    y: Any = None,
    *,
    coverage: float = 0.9,
    method: str | None = None,
    samples: int | None = None,
    seed: int = 0,
    by_class: bool = False,
    calibration: Calibration | None = None,
    penalty: float = 0.01,
    free: int = 2,
    output: str | None = None,
    std: Any = None,
    mask: Any = None,
    ignore_label: int | None = None,
) -> ConformalSets | ConformalIntervals:
    """Find, on held-out data, sets or intervals with a coverage that is guaranteed.

    Split conformal prediction: whatever the model is, a new row of the same kind as the calibration
    rows has its label in the set (or its number in the interval) with a probability of at least
    `coverage`. That is an average over rows: it does not hold for each kind of row by itself, nor
    after the data have shifted. The numbers along the last axis of an output have intervals each
    for itself. Pixels and tokens are rows; those of one image are not independent of each other,
    so it is the number of images that says how near the coverage comes to what was asked.

    `conformal(model, x, y)` keeps model, `x` and `y`, so that `export_onnx(model, path,
    samples=..., calibration=found)` finds the thresholds again for what the file serves. Those of a
    prediction (`conformal(probabilities, y=y)`) stay as they are.

    Args:
        prediction: A built Keras model with one output; or probabilities or numbers, a
            `MonteCarloPrediction` or outputs of onnxruntime, as for `evaluate`.
        x: The inputs, where `prediction` is a model.
        y: Labels that the model was not trained on (nor `calibration` fitted to), as for
            `evaluate`.
        coverage: A number above 0 and below 1.
        method: For classes "lac" (also called "thr": smallest sets on average), "aps" (sets that
            grow where the model is unsure) or "raps" (the same with a penalty for large sets). For
            numbers "absolute" (mean ± a constant), "scaled" (mean ± a multiple of the standard
            deviation of samples) or "quantile" (of an output of two units, a lower and an upper
            quantile). None takes "lac" or "absolute".
        samples: How many samples of Monte-Carlo dropout a model is to draw, whose mean is used;
            None for a prediction without dropout, and for "scaled" 32.
        seed: The seed of their masks.
        by_class: Whether each class gets a threshold of its own, so that the coverage holds for
            each class; for sets.
        calibration: None, or a calibration of `calibrate` that scales the probabilities first.
        penalty: Of "raps", for each class beyond the first `free` ones; a number not below 0.
        free: Of "raps", how many classes cost nothing; an integer above 0.
        output: Which output is meant, where the prediction has several.
        std: The standard deviation of numbers, where `prediction` is an array.
        mask: Booleans of the shape of the labels; False leaves a row, pixel or token out.
        ignore_label: A label that does the same, for sets.

    Returns:
        A `ConformalSets`, called on probabilities, or a `ConformalIntervals`, called on numbers.

    Raises:
        ValueError: if there are too few rows for the coverage (saying how many are needed), labels
            and predictions do not fit, all labels are of one class, or an argument is out of its
            range.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> random = np.random.default_rng(0)
    >>> p = random.dirichlet([1.0, 1.0, 1.0], 500)
    >>> y = np.array([random.choice(3, p=row) for row in p])
    >>> sets = kd.uncertainty.conformal(p, y=y, coverage=0.9)
    >>> sets(np.array([[0.9, 0.06, 0.04], [0.5, 0.4, 0.1]]))
    array([[ True, False, False],
           [ True,  True, False]])

    Reference:
        Sadinle, Lei and Wasserman, 2019 (lac); Romano, Sesia and Candes, 2020 (aps); Angelopoulos,
        Bates, Malik and Jordan, 2021 (raps); Lei et al., 2018 (absolute, scaled); Romano, Patterson
        and Candes, 2019 (quantile); Vovk, 2012 (by class).
    """
    if not is_real(coverage) or not 0.0 < coverage < 1.0:
        raise invalid("coverage", "a number above 0 and below 1", coverage)
    known = (*SETS, *INTERVALS, *_SAME)
    method = _SAME.get(str(method), method)
    if method is not None:
        check_choice(method, "method", known)
    check_flag(by_class, "by_class")
    check_integer(free, "free", minimum=1)
    if not is_real(penalty) or not 0.0 <= penalty < np.inf:
        raise invalid("penalty", "a finite number not below 0", penalty)
    if calibration is not None and not isinstance(calibration, Calibration):
        raise invalid("calibration", "None or what `calibrate` returns", calibration)
    if check_seed(seed) is None:
        raise invalid("seed", "an integer from 0 to 2**63 - 1", seed)
    if y is None:
        raise invalid("y", "labels of the predictions", y)
    options = {
        "by_class": by_class,
        "calibration": calibration,
        "penalty": penalty,
        "free": free,
        "mask": mask,
        "ignore_label": ignore_label,
    }
    if not isinstance(prediction, keras.Model):
        if x is not None:
            raise invalid("x", "None, as `prediction` is no model; the labels are `y=`", type(x))
        given = read(prediction, output)
        drawn = len(given.samples) if given.samples is not None else ANY
        return _found(given, y, coverage, method, std, drawn, options)
    if method == "scaled" and samples is None:
        samples = _SAMPLES
    if samples is not None:
        check_integer(samples, "samples", minimum=1)

    def fitted(count: int | None) -> Any:
        made = read(predicted(prediction, x, count, seed))
        return _found(made, y, coverage, method, std, count, options, fitted)

    return fitted(samples)


def _found(
    given: Given,
    y: Any,
    coverage: float,
    method: str | None,
    std: Any,
    samples: int | None,
    options: dict[str, Any],
    refit: Any = None,
) -> Any:
    """Return the decisions for one prediction and its labels."""
    if method is None:
        method = SETS[0] if kind_of(given, y) == "classification" else INTERVALS[0]
    if method in INTERVALS:
        of_sets = ("by_class", "calibration", "ignore_label")
        if options["by_class"] or any(options[each] is not None for each in of_sets[1:]):
            names = ", ".join(f"`{each}`" for each in of_sets)
            raise invalid("method", f"one of sets with any of {names}", method)
        found = interval_thresholds(given, y, coverage, method, std, options["mask"])
        return ConformalIntervals(coverage, method, *found[:2], samples, found[2], refit)
    left_out = {name: options[name] for name in ("mask", "ignore_label")}
    classes = checked_classes(given, y, **left_out)
    p, labels = classes.probabilities, classes.labels
    check_several_classes(labels)
    scale = options["calibration"]
    if scale is not None:
        scale.check(p.shape, "prediction")
        p = scale.scaled(p, np)
    scores = set_scores(p, method, options["penalty"], options["free"], np)
    own = scores[np.arange(len(labels)), labels]
    limit = partial(threshold_of, coverage=coverage)
    thresholds: tuple[float, ...] = (limit(own),)
    if options["by_class"]:
        each = range(p.shape[1])
        thresholds = tuple(limit(own[labels == c], of=f" of class {c}") for c in each)
    penalty, free = (options["penalty"], options["free"]) if method == "raps" else (0.0, 1)
    return ConformalSets(
        float(coverage),
        method,
        thresholds,
        float(penalty),
        free,
        scale,
        samples,
        len(labels),
        p.shape[1],
        refit,
    )
