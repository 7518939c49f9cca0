"""Defines schedules whose lengths may be given in epochs, which become steps in the first `fit`."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, ClassVar, TypeGuard

from keras import ops

from keras_dropouts.arguments import invalid, is_integer
from keras_dropouts.schedules.schedule import Schedule, check_steps
from keras_dropouts.types import Tensor

_DRAWN = 100  # steps of an epoch in a drawing of a schedule that does not know how many there are


@dataclasses.dataclass(frozen=True, repr=False)
class EpochSchedule(Schedule):
    """A schedule whose lengths are given in training steps or in epochs.

    In epochs it is the schedule in steps with all lengths multiplied by the steps of an epoch. A
    layer learns that number in the first `fit`, or at the end of its first epoch where the data has
    no known length; until then the rate is that of step 0. It is saved with the layer, and
    `steps_per_epoch` tells it where no `fit` does.

    Example:

    >>> import keras
    >>> import keras_dropouts as kd
    >>> ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_epochs=2)
    >>> ramp.in_epochs, ramp.in_steps(50)
    (True, LinearRamp(initial_rate=0.0, final_rate=0.5, ramp_steps=100, begin_step=0))
    >>> step, steps_per_epoch = (keras.ops.convert_to_tensor(n, "int32") for n in (50, 50))
    >>> float(ramp.at(step, steps_per_epoch))
    0.25
    """

    steps_per_epoch: int | None = dataclasses.field(default=None, kw_only=True)

    # The fields that count epochs, each with its field in steps, its least value, and whether it
    # has to be given.
    units: ClassVar[dict[str, tuple[str, int, bool]]] = {}

    @property
    def in_epochs(self) -> bool:
        """Whether the lengths are given in epochs."""
        return any(getattr(self, name) is not None for name in self.units)

    def in_steps(self, steps_per_epoch: int) -> EpochSchedule:
        """Return the same schedule in steps; one that is in steps already is returned as it is.

        Raises:
            ValueError: if `steps_per_epoch` is no integer above 0, or there are 2**31 steps.
        """
        check_steps(steps_per_epoch, "steps_per_epoch", minimum=1)
        if not self.in_epochs:
            return self
        nothing = dict.fromkeys((*self.units, "steps_per_epoch"))
        return dataclasses.replace(self, **nothing, **self._multiplied(steps_per_epoch))

    def at(self, step: Tensor, steps_per_epoch: Tensor) -> Tensor:
        """Return the rate at a step, inside a compiled step too.

        step, steps_per_epoch: int32 scalar tensors. Where the latter is 0, which says that it is
        not known, the rate is that of step 0.
        """
        known = steps_per_epoch > 0
        stretched = copy.copy(self)
        size = ops.where(known, steps_per_epoch, ops.ones_like(steps_per_epoch))
        stretched._set(**self._multiplied(size))
        return stretched._rate(ops.where(known, step, ops.zeros_like(step)), ops)

    def _multiplied(self, steps_per_epoch: Any) -> dict[str, Any]:
        """Return the lengths in steps, by the names of their fields."""
        found: dict[str, Any] = {}
        for epochs, (steps, *_) in self.units.items():
            value = getattr(self, epochs)
            if isinstance(value, tuple):
                found[steps] = tuple(each * steps_per_epoch for each in value)
            else:
                found[steps] = (value or 0) * steps_per_epoch
        return found

    def __call__(self, step: Any) -> Any:
        if not self.in_epochs:
            return super().__call__(step)
        if self.steps_per_epoch is None:
            expected = "an integer above 0 where a schedule in epochs is called"
            way_out = "A layer learns it in `fit`; elsewhere pass it to the schedule."
            raise invalid("steps_per_epoch", expected, None, way_out)
        return self.in_steps(self.steps_per_epoch)(step)

    def _check_units(self) -> None:
        """Check the lengths, and store them.

        Raises:
            ValueError: if they are given in steps and in epochs, in neither, or are out of range.
        """
        unit, other = (self.units, self._steps()) if self.in_epochs else (self._steps(), self.units)
        for name in other:
            value = getattr(self, name)
            if value is not None and not (is_integer(value) and value == 0):
                expected = f"None beside {', '.join(unit)}: steps or epochs, not both"
                raise invalid(name, expected, value)
        for name, (twin, minimum, required) in unit.items():
            value = getattr(self, name)
            if value is None and required:
                raise invalid(name, f"a value, or one for `{twin}` in its place", None)
            if value is not None or name not in self.units:
                self._set(**{name: self._check_length(value, name, minimum)})
        if self.steps_per_epoch is not None:
            check_steps(self.steps_per_epoch, "steps_per_epoch", minimum=1)
            if not self.in_epochs:
                expected = "None, as the schedule is in steps"
                raise invalid("steps_per_epoch", expected, self.steps_per_epoch)
            self.in_steps(self.steps_per_epoch)  # raises where there are too many

    def _known(self, name: str) -> Any:
        """Return a length in steps; only a schedule in steps is asked for it."""
        return getattr(self, name)

    def _steps(self) -> dict[str, tuple[str, int, bool]]:
        return {steps: (epochs, low, must) for epochs, (steps, low, must) in self.units.items()}

    def _check_length(self, value: Any, name: str, minimum: int) -> Any:
        return check_steps(value, name, minimum)

    def _to_draw(self) -> tuple[Schedule, int, str]:
        if self.in_epochs and self.steps_per_epoch is None:
            return self.in_steps(_DRAWN), _DRAWN, "epoch"
        known = self.steps_per_epoch
        return (self if known is None else self.in_steps(known)), 1, "training step"

    def _shown(self) -> dict[str, Any]:
        """Return the fields that say something: those in steps, or those in epochs."""
        hidden = {*self._steps()} if self.in_epochs else {*self.units}
        if self.steps_per_epoch is None:
            hidden.add("steps_per_epoch")
        names = [field.name for field in dataclasses.fields(self)]
        names.sort(key="steps_per_epoch".__eq__)  # the field of this base class goes last
        shown = {name: getattr(self, name) for name in names if name not in hidden}
        return {
            key: value for key, value in shown.items() if value is not None or key not in self.units
        }

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._shown().items())
        return f"{type(self).__name__}({fields})"

    def get_config(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._shown().items()
        }


def counts_epochs(schedule: Any) -> TypeGuard[EpochSchedule]:
    """Return whether something is a schedule whose lengths are given in epochs.

    Example:

    >>> import keras_dropouts as kd
    >>> ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_epochs=2)
    >>> kd.schedules.counts_epochs(ramp), kd.schedules.counts_epochs(ramp.in_steps(50))
    (True, False)
    """
    return isinstance(schedule, EpochSchedule) and schedule.in_epochs
