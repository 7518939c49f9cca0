"""What every schedule shares: how it is called, its config, and how it draws itself."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts.arguments import check_integer, check_rate, invalid, is_real
from keras_dropouts.canvas import axes_for

_LARGEST_STEP = 2**31 - 1  # layers count their steps in int32


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A rate that is a function of the training step.

    A subclass is a frozen dataclass whose fields are its config: two schedules with the same
    config are equal, and none changes while it is in use. It overrides `_rate` and `_last_step`.

    Example:

    >>> import keras_dropouts as kd
    >>> ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=100)
    >>> isinstance(ramp, kd.schedules.Schedule), ramp(50)
    (True, 0.25)
    >>> kd.schedules.LinearRamp.from_config(ramp.get_config()) == ramp
    True
    """

    def __call__(self, step: Any) -> Any:
        """Return the rate at `step`, the number of training calls made before this one.

        A number gives a Python float and a NumPy array gives an array, both computed in float64.
        A tensor or variable, in a compiled graph too, gives a float32 tensor of its shape. Steps
        below 0 have the rate of step 0, or that which the formula of the first phase gives.

        Raises:
            ValueError: if `step` is none of these, or a number that is not finite.
        """
        if isinstance(step, np.ndarray) and step.dtype.kind in "iuf":
            return np.asarray(self._rate(step.astype("float64"), np), "float64")
        if is_real(step) and math.isfinite(step):
            return float(self._rate(np.float64(step), np))
        if not _is_tensor(step):
            raise invalid("step", "a finite number, an array of numbers or a tensor", step)
        floating = "float" in keras.backend.standardize_dtype(step.dtype)
        step = ops.cast(step, "float32" if floating else "int32")
        return self._rate(step, ops)

    def _rate(self, step: Any, xp: Any) -> Any:
        """Return the rate at `step`; `xp` has the functions for it: numpy or keras.ops.

        `step` is float64 with numpy, int32 or float32 with keras.ops.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its rate is.")

    def _last_step(self) -> int:
        """Return the step at which the last change is made, for drawing."""
        raise NotImplementedError(f"{type(self).__name__} does not say when it is done.")

    def _set(self, **values: Any) -> None:
        """Store checked values in the fields, which are frozen."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal schedule, as JSON can hold them."""
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in config.items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Schedule:
        """Return the schedule that `get_config` described."""
        return cls(**config)

    def plot(self, steps: int | None = None, ax: Any = None) -> Any:
        """Draw the rate over the training steps and return the matplotlib Axes.

        A schedule in epochs that does not know the steps of an epoch is drawn over epochs.

        Args:
            steps: The last step (or epoch) drawn, an integer of at least 1. None goes a quarter
                beyond the step at which the schedule makes its last change.
            ax: The matplotlib Axes to draw into; None makes a new figure.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if `steps` or `ax` is none of these.

        Example:

        >>> import keras_dropouts as kd
        >>> axes = kd.schedules.LinearRamp(0.0, 0.3, ramp_steps=1000).plot()
        """
        schedule, unit, name = self._to_draw()
        if steps is None:
            steps = max(1, math.ceil(1.25 * schedule._last_step() / unit))
        steps = check_integer(steps, "steps", minimum=1)
        ax = axes_for(ax, "a schedule")
        # At most 2,000 points: a million steps draw the same line.
        last = steps * unit
        points = np.unique(np.linspace(0, last, min(last, 2000) + 1).round())
        rates = schedule(points)
        ax.plot(points / unit, rates, drawstyle="steps-post", label=type(self).__name__)
        ax.set(xlabel=name, ylabel="rate", xlim=(0, steps), ylim=(-0.02, 1.02))
        return ax

    def _to_draw(self) -> tuple[Schedule, int, str]:
        """Return what is drawn, its steps in a unit of the axis, and the name of that unit."""
        return self, 1, "training step"


def check_steps(value: Any, argument: str, minimum: int = 0) -> int:
    """Return `value` as an int if it is a number of steps that an int32 counter can reach."""
    value = check_integer(value, argument, minimum)
    if value > _LARGEST_STEP:
        raise invalid(argument, f"an integer from {minimum} to {_LARGEST_STEP}", value)
    return value


def check_rates(**values: Any) -> dict[str, float]:
    """Return the values as floats if each is a probability."""
    return {name: check_rate(value, name) for name, value in values.items()}


def steps_since(step: Any, begin_step: int) -> Any:
    """Return `step - begin_step` as a float that is exact where steps are beyond 2**24, too."""
    elapsed = step - begin_step  # before the cast: float32 has 24 bits
    return elapsed if isinstance(elapsed, np.generic | np.ndarray) else ops.cast(elapsed, "float32")


def length(steps: Any) -> Any:
    """Return a number of steps as what a float can be divided by."""
    return steps if isinstance(steps, int) else ops.cast(steps, "float32")


def mix(initial_rate: float, final_rate: float, progress: Any) -> Any:
    """Return the rate between the two at `progress` in [0, 1]; exact at both ends."""
    return (1.0 - progress) * initial_rate + progress * final_rate


def _is_tensor(value: Any) -> bool:
    return (
        ops.is_tensor(value)
        or isinstance(value, keras.Variable)
        or keras.utils.is_keras_tensor(value)
    )
