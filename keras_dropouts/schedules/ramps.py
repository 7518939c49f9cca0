"""Schedules that move smoothly from one rate to another."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from keras_dropouts.arguments import check_positive
from keras_dropouts.registry import register
from keras_dropouts.schedules.epochs import EpochSchedule
from keras_dropouts.schedules.schedule import check_rates, length, mix, steps_since


@dataclasses.dataclass(frozen=True, repr=False)
class _Ramp(EpochSchedule):
    initial_rate: float
    final_rate: float
    ramp_steps: int | None = None  # None in epochs
    begin_step: int = 0
    ramp_epochs: int | None = dataclasses.field(default=None, kw_only=True)
    begin_epoch: int | None = dataclasses.field(default=None, kw_only=True)

    units = {  # noqa: RUF012
        "ramp_epochs": ("ramp_steps", 1, True),
        "begin_epoch": ("begin_step", 0, False),
    }

    def __post_init__(self) -> None:
        self._set(**check_rates(initial_rate=self.initial_rate, final_rate=self.final_rate))
        self._check_units()

    def _last_step(self) -> int:
        return int(self.begin_step + self._known("ramp_steps"))

    def _rate(self, step: Any, xp: Any) -> Any:
        progress = steps_since(step, self.begin_step) / length(self.ramp_steps)
        return mix(self.initial_rate, self.final_rate, self._shape(progress, xp))

    def _shape(self, progress: Any, xp: Any) -> Any:
        """Return how far from the initial to the final rate, in [0, 1], at this progress."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its shape is.")


@register
@dataclasses.dataclass(frozen=True, repr=False)
class LinearRamp(_Ramp):
    """A rate that moves from one value to another in a straight line.

    rate = initial_rate + (final_rate - initial_rate) * x, where
    x = (step - begin_step) / ramp_steps, clipped to [0, 1].

    The schedule of DropBlock's authors is `LinearRamp(0.0, rate, ramp_steps=all_steps)`.

    Args:
        initial_rate: Rate up to `begin_step`, a number in [0, 1].
        final_rate: Rate from `begin_step + ramp_steps` on, a number in [0, 1].
        ramp_steps: Length of the ramp in training steps, an integer from 1 to 2**31 - 1.
        begin_step: Step at which the ramp begins, an integer from 0 to 2**31 - 1.
        ramp_epochs: In place of `ramp_steps`, its length in epochs, an integer above 0.
        begin_epoch: In place of `begin_step`, the epoch at which the ramp begins, counted from 0.
        steps_per_epoch: None, or the steps of an epoch, for training without `fit`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:

    >>> import keras_dropouts as kd
    >>> ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=100, begin_step=10)
    >>> [ramp(step) for step in (0, 10, 60, 110, 200)]
    [0.0, 0.0, 0.25, 0.5, 0.5]

    Reference:
        Ghiasi, Lin, Le, 2018, "DropBlock: A regularization method for convolutional networks".
    """

    def _shape(self, progress: Any, xp: Any) -> Any:
        return xp.clip(progress, 0.0, 1.0)


@register
@dataclasses.dataclass(frozen=True, repr=False)
class CosineRamp(_Ramp):
    """A rate that moves from one value to another along half a cosine, slow at both ends.

    rate = initial_rate + (final_rate - initial_rate) * (1 - cos(pi * x)) / 2, where
    x = (step - begin_step) / ramp_steps, clipped to [0, 1].

    Args:
        initial_rate: Rate up to `begin_step`, a number in [0, 1].
        final_rate: Rate from `begin_step + ramp_steps` on, a number in [0, 1].
        ramp_steps: Length of the ramp in training steps, an integer from 1 to 2**31 - 1.
        begin_step: Step at which the ramp begins, an integer from 0 to 2**31 - 1.
        ramp_epochs: In place of `ramp_steps`, its length in epochs, an integer above 0.
        begin_epoch: In place of `begin_step`, the epoch at which the ramp begins, counted from 0.
        steps_per_epoch: None, or the steps of an epoch, for training without `fit`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:

    >>> import keras_dropouts as kd
    >>> ramp = kd.schedules.CosineRamp(0.0, 0.5, ramp_steps=100)
    >>> [round(ramp(step), 4) for step in (0, 25, 50, 100, 200)]
    [0.0, 0.0732, 0.25, 0.5, 0.5]

    Reference:
        The shape is that of Loshchilov, Hutter, 2017, "SGDR: Stochastic gradient descent with
        warm restarts".
    """

    def _shape(self, progress: Any, xp: Any) -> Any:
        return (1.0 - xp.cos(math.pi * xp.clip(progress, 0.0, 1.0))) / 2.0


@register
@dataclasses.dataclass(frozen=True, repr=False)
class CurriculumRamp(_Ramp):
    """A rate that rises fast at first and ever more slowly after, towards its final value.

    rate = initial_rate + (final_rate - initial_rate) * (1 - exp(-sharpness * x)), where
    x = max(step - begin_step, 0) / ramp_steps.

    It has no end: at `begin_step + ramp_steps` the share 1 - exp(-sharpness) of the way is
    done, with a sharpness of 10 all but 0.005 %, and the rest follows afterwards. The paper has
    gamma = sharpness / ramp_steps with a sharpness of 10 over all training steps, and an initial
    rate of 0.

    Args:
        initial_rate: Rate up to `begin_step`, a number in [0, 1].
        final_rate: Rate that is approached, a number in [0, 1].
        ramp_steps: Time scale in training steps, an integer from 1 to 2**31 - 1.
        begin_step: Step at which the ramp begins, an integer from 0 to 2**31 - 1.
        ramp_epochs: In place of `ramp_steps`, its length in epochs, an integer above 0.
        begin_epoch: In place of `begin_step`, the epoch at which the ramp begins, counted from 0.
        steps_per_epoch: None, or the steps of an epoch, for training without `fit`.
        sharpness: How many times the way left shrinks by a factor e within `ramp_steps`, a
            finite number above 0.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:

    >>> import keras_dropouts as kd
    >>> ramp = kd.schedules.CurriculumRamp(0.0, 0.5, ramp_steps=100)
    >>> [round(ramp(step), 4) for step in (0, 10, 50, 100, 200)]
    [0.0, 0.3161, 0.4966, 0.5, 0.5]

    Reference:
        Morerio, Cavazza, Volpi, Vidal, Murino, 2017, "Curriculum Dropout".
    """

    sharpness: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(sharpness=check_positive(self.sharpness, "sharpness"))

    def _shape(self, progress: Any, xp: Any) -> Any:
        return -xp.expm1(-self.sharpness * xp.maximum(progress, 0.0))
