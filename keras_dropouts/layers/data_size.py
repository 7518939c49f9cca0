"""Finds the factors of the losses of layers that learn their rate, from the size of the data."""

from __future__ import annotations

import math
import warnings
from typing import Any

from keras_dropouts.arguments import check_integer, check_positive, invalid, is_real
from keras_dropouts.layers.concrete_regularizers import concrete_regularizers
from keras_dropouts.types import Layer


def regularizer_factors(
    weight_regularizer: Any, dropout_regularizer: Any, data_size: Any, length_scale: Any, loss: Any
) -> tuple[float, float]:
    """Return both factors of `ConcreteDropout`: those given, or those of the size of the data.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or a factor is given
            beside `data_size`.
    """
    given = {"weight_regularizer": weight_regularizer, "dropout_regularizer": dropout_regularizer}
    for name, value in given.items():
        _check_alone(name, value, data_size)
    if data_size is not None:
        check_integer(data_size, "data_size", minimum=1)
        return concrete_regularizers(data_size, length_scale, loss=loss)
    concrete_regularizers(1, length_scale, loss=loss)  # raises where one is wrong
    weight = 1e-6 if weight_regularizer is None else weight_regularizer
    entropy = 1e-5 if dropout_regularizer is None else dropout_regularizer
    return _check_factor("weight_regularizer", weight), _check_factor(
        "dropout_regularizer", entropy
    )


def divergence_factor(kl_weight: Any, data_size: Any) -> float:
    """Return the factor of the divergence of `VariationalDropout`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or both are given.
    """
    _check_alone("kl_weight", kl_weight, data_size)
    if data_size is not None:
        return 1.0 / check_integer(data_size, "data_size", minimum=1)
    return check_positive(1e-4 if kl_weight is None else kl_weight, "kl_weight")


def warn_of_no_factors(layer: Layer, factors: str) -> None:
    """Warn that a layer trains with factors that nobody chose."""
    kind = type(layer).__name__
    warnings.warn(
        f"{kind} {layer.name!r} trains with neither `data_size` nor {factors}, so the data alone "
        "moves its rate, and hardly: how far a rate is pushed depends on the number of training "
        f"samples. Pass `data_size=len(x)` to {kind}.",
        stacklevel=2,
    )


def _check_alone(argument: str, value: Any, data_size: Any) -> None:
    if value is not None and data_size is not None:
        expected = "None where `data_size` is given, as it follows from that"
        raise invalid(argument, expected, value)


def _check_factor(argument: str, value: Any) -> float:
    if not is_real(value) or not math.isfinite(value) or value < 0:
        raise invalid(argument, "a finite number of at least 0", value)
    return float(value)
