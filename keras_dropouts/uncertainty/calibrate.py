"""Offers `calibrate`: a layer that makes predictions as certain as they are right."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_choice, check_flag, invalid
from keras_dropouts.monte_carlo.mc_predict import mc_predict
from keras_dropouts.uncertainty.calibration_layer import Calibration
from keras_dropouts.uncertainty.checked_input import checked_classes, checked_values
from keras_dropouts.uncertainty.fitted_scaling import (
    temperature_of,
    temperature_within,
    vector_of,
)
from keras_dropouts.uncertainty.isotonic_scaling import IsotonicScaling, fitted_knots
from keras_dropouts.uncertainty.scaling_layers import (
    StdScaling,
    TemperatureScaling,
    VectorScaling,
)

METHODS = ("temperature", "vector", "isotonic", "std")
_SAMPLES = 32  # of a model whose standard deviation is asked for


def calibrate(
    prediction: Any,
    x: Any = None,
    y: Any = None,
    *,
    method: str = "temperature",
    within: bool = False,
    samples: int | None = None,
    seed: int = 0,
    output: str | None = None,
    std: Any = None,
    mask: Any = None,
    ignore_label: int | None = None,
) -> Calibration:
    """Fit a calibration to held-out data, by their likelihood.

    `calibrate(model, x, y)` predicts first; `calibrate(probabilities, y=y)` takes what was
    predicted. The result is a Keras layer, called on probabilities: of the mean of samples, or with
    `within` of each sample. Put it behind the model (`keras.Sequential([model, calibration])`), in
    which it is saved, exported and sampled; or hand it to `export_onnx(..., calibration=)`, which
    adds the output `<name>_calibrated`, of the mean where there are samples.

    Args:
        prediction: A built Keras model with one output; or probabilities, a `MonteCarloPrediction`
            or outputs of onnxruntime, as for `evaluate`.
        x: The inputs, where `prediction` is a model.
        y: Labels that the model was not trained on, as for `evaluate`.
        method: "temperature", one number; "vector", a weight and a bias for each class; "isotonic",
            a rising function for each class, for 1,000 rows and more; "std", for numbers: the
            factor s of the standard deviation with the best Gaussian likelihood,
            `s**2 = mean((y - mean)**2 / std**2)`.
        within: Whether each sample is scaled, and not their mean; for "temperature" with samples.
        samples: How many samples a model is to draw; None for none, or for 32 where the method
            needs them.
        seed: The seed of their masks.
        output: Which output is meant, where the prediction has several.
        std: The standard deviation of numbers, where `prediction` is an array.
        mask: Booleans of the shape of the labels; False leaves a row, pixel or token out.
        ignore_label: A label that does the same.

    Returns:
        A `TemperatureScaling`, `VectorScaling`, `IsotonicScaling` or `StdScaling`.

    Raises:
        ValueError: if labels and predictions do not fit, the predictions are no probabilities, or
            an argument is none of its choices; if all labels are of one class, or every row is
            right, so that no temperature above 0 is the best; or the model fails on `x`.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> p = np.array([[0.99, 0.01], [0.99, 0.01], [0.99, 0.01], [0.01, 0.99]])
    >>> scale = kd.uncertainty.calibrate(p, y=[0, 0, 1, 1])  # one of four is wrong
    >>> np.asarray(scale(p)).round(2)[0]
    array([0.75, 0.25])

    Reference:
        Guo, Pleiss, Sun and Weinberger, 2017, "On calibration of modern neural networks"; Zadrozny
        and Elkan, 2002; Laves et al., 2020.
    """
    check_choice(method, "method", METHODS)
    check_flag(within, "within")
    if within and method != "temperature":
        raise invalid("within", 'False, or method="temperature"', within)
    if isinstance(prediction, keras.Model):
        wanted = _SAMPLES if samples is None and (within or method == "std") else samples
        prediction = predicted(prediction, x, wanted, seed, keep=within)
    elif x is not None:
        raise invalid("x", "None, as `prediction` is no model; the labels are `y=`", type(x))
    if y is None:
        raise invalid("y", "labels of the predictions", y)
    if method == "std":
        values = checked_values(prediction, y, output=output, std=std, mask=mask)
        if values.std is None or not (values.std > 0.0).all():
            expected = "a prediction with standard deviations above 0: samples, or `std`"
            raise invalid("prediction", expected, "one without")
        ratio = np.mean(((values.y - values.mean) / values.std) ** 2)
        if not ratio > 0.0:
            raise invalid("y", "numbers that differ from the predictions", "the same numbers")
        return StdScaling(float(np.sqrt(ratio)))
    classes = checked_classes(prediction, y, output=output, mask=mask, ignore_label=ignore_label)
    p, labels = classes.probabilities, classes.labels
    check_several_classes(labels)
    if within:
        if classes.samples is None:
            raise invalid("prediction", "samples, which `within` scales", "a mean")
        return TemperatureScaling(temperature_within(classes.samples, labels), within=True)
    if method == "temperature":
        return TemperatureScaling(temperature_of(p, labels))
    if method == "vector":
        weights, biases = vector_of(p, labels)
        return VectorScaling(weights.tolist(), biases.tolist())
    own = [(p[:, c], (labels == c).astype("float64")) for c in range(p.shape[1])]
    return IsotonicScaling([fitted_knots(*each).tolist() for each in own])


def check_several_classes(labels: np.ndarray) -> None:
    """Raise a clear error where all labels are one class.

    Raises:
        ValueError: naming it.
    """
    if (labels == labels[0]).all():
        raise invalid("y", "labels of at least two classes", f"class {labels[0]} alone")


def predicted(
    model: keras.Model, x: Any, samples: int | None, seed: int, keep: bool = False
) -> Any:
    """Return what a model with one output predicts: an array, or a `MonteCarloPrediction`.

    keep: whether all samples are kept, and not their moments alone.

    Raises:
        ValueError: if there are no inputs, or the model has several outputs.
    """
    if x is None:
        raise invalid("x", "inputs of the model", x)
    outputs = model.output if hasattr(model, "output") else None
    if isinstance(outputs, dict | list | tuple) and len(outputs) > 1:
        way_out = "Predict first, and pass the prediction of one output."
        raise invalid("prediction", "a model with one output", model.name, way_out)
    if samples is None:
        try:
            found = model.predict(x, verbose=0)
        except Exception as error:  # whatever Keras, a backend or a user's own `call` raises
            said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras writes in bold
            raise ValueError(f"Model {model.name!r} cannot predict on `x`: {said}") from error
        flat = keras.tree.flatten(found)
        return flat[0]
    return mc_predict(model, x, samples, seed, reduce=None if keep else "mean_std", verbose=False)
