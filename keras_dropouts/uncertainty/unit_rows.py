"""Sorts predictions of numbers by the units of the output that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dropouts.uncertainty.checked_input import checked_values
from keras_dropouts.uncertainty.given_prediction import Given
from keras_dropouts.uncertainty.kept_rows import kept


@dataclass(frozen=True)
class UnitRows:
    """Predictions of numbers for each of D units along the last axis of an output.

    mean, std and y: D arrays, each float64 of shape (rows,); std is None where there is none.
    """

    mean: list[np.ndarray]
    std: list[np.ndarray] | None
    y: list[np.ndarray]


def unit_rows(given: Given, y: Any, *, std: Any = None, mask: Any = None) -> UnitRows:
    """Return checked predictions and true numbers, those of each unit for themselves.

    Args:
        given: A prediction of shape (N,), (N, D), (N, H, W, D) and so on.
        y: The true numbers, of the same shape; (N,) and (N, 1) stand for each other.
        std: The standard deviation of each number where the prediction is an array.
        mask: Booleans of the shape of `y`; False leaves a number out.

    Raises:
        ValueError: naming the argument that does not fit, or saying that a unit has no rows.
    """
    values = checked_values(given, y, std=std, mask=mask)
    shape = given.mean.shape
    units = shape[-1] if len(shape) > 1 else 1
    numbers = np.arange(int(np.prod(shape))) % units
    keep = kept(mask, shape)
    of = numbers if keep is None else numbers[keep]

    def sorted_out(x: np.ndarray) -> list[np.ndarray]:
        return [x[of == unit] for unit in range(units)]

    deviations = None if values.std is None else sorted_out(values.std)
    return UnitRows(sorted_out(values.mean), deviations, sorted_out(values.y))
