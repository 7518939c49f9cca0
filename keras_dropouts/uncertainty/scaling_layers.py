"""Holds the layers that calibrate predictions by scaling them, and learn nothing themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts.arguments import check_flag, check_positive, invalid, is_real
from keras_dropouts.registry import register
from keras_dropouts.uncertainty.calibration_layer import (
    SMALLEST,
    Calibration,
    check_classes,
    narrowed,
    widened,
)
from keras_dropouts.uncertainty.served_decisions import readable


def _softmax(scores: Any, xp: Any) -> Any:
    powers = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    return powers / xp.sum(powers, axis=-1, keepdims=True)


def _logs(p: Any, xp: Any) -> Any:
    return xp.log(xp.maximum(p, xp.ones_like(p) * SMALLEST))


@register
class TemperatureScaling(Calibration):
    """Raises class probabilities to the power 1 / temperature: `q_c = p_c**(1/t) / sum p**(1/t)`.

    That is the softmax of logits divided by t. The order of the classes stays, so accuracy does;
    above 1 predictions become less certain.

    Args:
        temperature: A finite number above 0.
        within: Whether it was found for samples that are scaled one by one before their mean is
            taken. Such a layer belongs at the end of the model, and no export takes it as its
            `calibration`, which scales the mean.
        **kwargs: `name` and `dtype`, as for any Keras layer.

    Input shape: (..., C) probabilities of C classes, or (..., 1) of the second of two.
    Output shape: the same.

    Raises:
        ValueError: if `temperature` is none.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> scale = kd.uncertainty.TemperatureScaling(2.0)
    >>> np.asarray(scale(np.array([[0.9, 0.1], [1.0, 0.0]], "float32"))).round(3)
    array([[0.75, 0.25],
           [1.  , 0.  ]], dtype=float32)

    Reference:
        Guo, Pleiss, Sun and Weinberger, 2017, "On calibration of modern neural networks".
    """

    def __init__(self, temperature: float = 1.0, *, within: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = check_positive(temperature, "temperature")
        self.within = check_flag(within, "within")

    def scaled(self, predictions: Any, xp: Any) -> Any:
        """Return the calibrated probabilities."""
        p = widened(predictions, xp)
        # Without logarithms what is impossible or certain stays so, and a file has fewer nodes.
        powers = xp.power(p / xp.max(p, axis=-1, keepdims=True), 1.0 / self.temperature)
        return narrowed(powers / xp.sum(powers, axis=-1, keepdims=True), predictions)

    def numbers(self) -> dict[str, Any]:
        """Return the temperature, and whether it is for samples."""
        return {"temperature": self.temperature, "within": self.within}


@register
class VectorScaling(Calibration):
    """Scales and shifts the log-probability of each class: q = softmax(w * log p + b).

    Args:
        weights: A finite number for each class.
        biases: A finite number for each class.
        **kwargs: `name` and `dtype`, as for any Keras layer.

    Input shape: (..., C) probabilities of C classes, or (..., 1) of the second of two.
    Output shape: the same.

    Raises:
        ValueError: if an argument is none.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> scale = kd.uncertainty.VectorScaling([1.0, 1.0], [0.0, np.log(4.0)])
    >>> scale.scaled(np.array([[0.5, 0.5]]), np).round(3), scale.numbers()["weights"]
    (array([[0.2, 0.8]]), [1.0, 1.0])

    Reference:
        Guo, Pleiss, Sun and Weinberger, 2017, "On calibration of modern neural networks".
    """

    def __init__(self, weights: Sequence[float], biases: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factors, self.biases = _finite(weights, "weights"), _finite(biases, "biases")
        if len(self.factors) != len(self.biases) or len(self.factors) < 2:
            raise invalid("biases", "a number for each of two or more classes", biases)
        self.classes = len(self.factors)

    def scaled(self, predictions: Any, xp: Any) -> Any:
        """Return the calibrated probabilities."""
        logs = _logs(widened(predictions, xp), xp)
        kept = [np.asarray(each, "float32") for each in (self.factors, self.biases)]
        factors, biases = (xp.cast(x, logs.dtype) if xp is ops else x for x in kept)
        return narrowed(_softmax(logs * factors + biases, xp), predictions)

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has other classes."""
        check_classes(self, shape, name, len(self.factors))

    def numbers(self) -> dict[str, Any]:
        """Return the weights and the biases."""
        return {"weights": list(self.factors), "biases": list(self.biases)}


@register
class StdScaling(Calibration):
    """Multiplies the standard deviation of a prediction by a number.

    Args:
        scale: A finite number above 0.
        **kwargs: `name` and `dtype`, as for any Keras layer.

    Input shape: any, standard deviations. Output shape: the same.

    Raises:
        ValueError: if `scale` is none.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> np.asarray(kd.uncertainty.StdScaling(3.0)(np.array([1.0, 2.0], "float32")))
    array([3., 6.], dtype=float32)

    Reference:
        Laves, Ihler, Fast, Kahrs and Ortmaier, 2020, "Well-calibrated regression uncertainty in
        medical imaging with deep learning".
    """

    ending = "calibrated_std"

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = check_positive(scale, "scale")

    @property
    def needs(self) -> frozenset[str]:
        """The standard deviation."""
        return frozenset({"std"})

    def scaled(self, predictions: Any, xp: Any) -> Any:
        """Return the scaled standard deviation."""
        return predictions * self.scale

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"calibrated_std": the scaled standard deviation}."""
        return {self.ending: self.scaled(std, xp)}

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Take every output."""

    def numbers(self) -> dict[str, Any]:
        """Return the scale."""
        return {"scale": self.scale}


def _finite(values: Any, argument: str) -> tuple[float, ...]:
    given = values.tolist() if hasattr(values, "tolist") else values
    good = isinstance(given, list | tuple) and all(is_real(x) and np.isfinite(x) for x in given)
    if not good:
        raise invalid(argument, "a list of finite numbers", values)
    return tuple(float(x) for x in given)


def _reader(cls: type[Calibration]) -> None:
    readable(cls.__name__, lambda given: cls(**{k: x for k, x in given.items() if k != "kind"}))


for _each in (TemperatureScaling, VectorScaling, StdScaling):
    _reader(_each)
