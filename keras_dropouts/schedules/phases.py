"""Schedules that switch from one rate to another at a given step."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dropouts.arguments import check_choice, check_rate, invalid
from keras_dropouts.registry import register
from keras_dropouts.schedules.epochs import EpochSchedule
from keras_dropouts.schedules.schedule import check_steps, length, mix, steps_since


@register
@dataclasses.dataclass(frozen=True, repr=False)
class PiecewiseConstant(EpochSchedule):
    """A rate that is constant between given steps.

    rate = rates[n], where n is how many boundaries are at or below `step`.

    So `rates[i + 1]` begins **at** step `boundaries[i]`, which counts the steps taken at the
    rates before it. `keras.optimizers.schedules.PiecewiseConstantDecay` changes its value one
    step later: there the new value begins at `boundaries[i] + 1`.

    Args:
        boundaries: Steps at which the rate changes: one or more integers from 1 to 2**31 - 1,
            each above the one before.
        rates: The rates in order, numbers in [0, 1], one more than there are boundaries.
        boundary_epochs: In place of `boundaries`, the epochs at which the rate changes, counted
            from 0, each an integer above 0.
        steps_per_epoch: None, or the steps of an epoch, for training without `fit`.

    Raises:
        ValueError: if an argument is of the wrong type, out of its range or of another length.

    Example:

    >>> import keras_dropouts as kd
    >>> pieces = kd.schedules.PiecewiseConstant([100, 200], [0.0, 0.1, 0.3])
    >>> [pieces(step) for step in (0, 99, 100, 199, 200, 500)]
    [0.0, 0.0, 0.1, 0.1, 0.3, 0.3]
    """

    boundaries: Sequence[int] | None = None
    rates: Sequence[float] = ()
    boundary_epochs: Sequence[int] | None = dataclasses.field(default=None, kw_only=True)

    units = {"boundary_epochs": ("boundaries", 1, True)}  # noqa: RUF012

    def __post_init__(self) -> None:
        self._check_units()
        rates = _items(self.rates, "rates")
        count = len(self.boundary_epochs or self._known("boundaries")) + 1
        if len(rates) != count:
            expected = f"{count} rates, one more than there are boundaries"
            raise invalid("rates", expected, self.rates)
        self._set(rates=tuple(check_rate(value, "rates") for value in rates))

    def _check_length(self, value: Any, name: str, minimum: int) -> Any:
        items = tuple(check_steps(each, name, minimum) for each in _items(value, name))
        rising = all(earlier < later for earlier, later in itertools.pairwise(items))
        if not items or not rising:
            unit = "epochs" if name in self.units else "steps"
            raise invalid(name, f"{unit}, each above the one before", value)
        return items

    def _last_step(self) -> int:
        return int(self._known("boundaries")[-1])

    def _rate(self, step: Any, xp: Any) -> Any:
        # Sums, as PyTorch would round a bare number to Keras's floatx.
        zero = steps_since(step, 0) * 0.0
        rate = zero + self.rates[0]
        for boundary, later_rate in zip(self._known("boundaries"), self.rates[1:], strict=True):
            rate = xp.where(step >= boundary, zero + later_rate, rate)
        return rate


@register
@dataclasses.dataclass(frozen=True, repr=False)
class EarlyDropout(EpochSchedule):
    """Dropout in the first part of training only, which makes a model fit its data better.

    With decay "constant": rate for `step < steps`, 0 afterwards.
    With decay "linear": rate * (1 - step / steps) for `step < steps`, 0 afterwards.

    It is for a model that underfits: early in training dropout lowers the variance of the
    gradients across batches.

    Args:
        rate: Rate at step 0, a number in [0, 1].
        steps: How many training steps have dropout, an integer from 1 to 2**31 - 1.
        decay: "constant" or "linear".
        epochs: In place of `steps`, how many epochs have dropout, an integer above 0.
        steps_per_epoch: None, or the steps of an epoch, for training without `fit`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:

    >>> import keras_dropouts as kd
    >>> early = kd.schedules.EarlyDropout(0.2, steps=100, decay="linear")
    >>> [early(step) for step in (0, 50, 100, 200)]
    [0.2, 0.1, 0.0, 0.0]

    Reference:
        Liu, Xu, Jin, Shen, Darrell, 2023, "Dropout Reduces Underfitting".
    """

    rate: float
    steps: int | None = None
    decay: str = "constant"
    epochs: int | None = dataclasses.field(default=None, kw_only=True)

    units = {"epochs": ("steps", 1, True)}  # noqa: RUF012

    def __post_init__(self) -> None:
        decay = check_choice(self.decay, "decay", ("constant", "linear"))
        self._set(rate=check_rate(self.rate), decay=decay)
        self._check_units()

    def _last_step(self) -> int:
        return int(self._known("steps"))

    def _rate(self, step: Any, xp: Any) -> Any:
        elapsed = steps_since(step, 0)
        if self.decay == "linear":
            return mix(self.rate, 0.0, xp.clip(elapsed / length(self.steps), 0.0, 1.0))
        zero = elapsed * 0.0
        return xp.where(step < self.steps, zero + self.rate, zero)


@register
@dataclasses.dataclass(frozen=True, repr=False)
class LateDropout(EpochSchedule):
    """Dropout in the last part of training only.

    rate = 0 for `step < begin_step`, `rate` afterwards.

    It is for a model that overfits: it learns undisturbed at first and is regularized later.

    Args:
        rate: Rate from `begin_step` on, a number in [0, 1].
        begin_step: First training step with dropout, an integer from 0 to 2**31 - 1.
        begin_epoch: In place of `begin_step`, the first epoch with dropout, counted from 0.
        steps_per_epoch: None, or the steps of an epoch, for training without `fit`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:

    >>> import keras_dropouts as kd
    >>> late = kd.schedules.LateDropout(0.2, begin_step=100)
    >>> [late(step) for step in (0, 99, 100, 200)]
    [0.0, 0.0, 0.2, 0.2]

    Reference:
        Liu, Xu, Jin, Shen, Darrell, 2023, "Dropout Reduces Underfitting".
    """

    rate: float
    begin_step: int | None = None
    begin_epoch: int | None = dataclasses.field(default=None, kw_only=True)

    units = {"begin_epoch": ("begin_step", 0, True)}  # noqa: RUF012

    def __post_init__(self) -> None:
        self._set(rate=check_rate(self.rate))
        self._check_units()

    def _last_step(self) -> int:
        return int(self._known("begin_step"))

    def _rate(self, step: Any, xp: Any) -> Any:
        zero = steps_since(step, 0) * 0.0
        return xp.where(step >= self.begin_step, zero + self.rate, zero)


def _items(values: Any, argument: str) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple | np.ndarray):
        raise invalid(argument, "a list, a tuple or an array of numbers", values)
    return tuple(values)
