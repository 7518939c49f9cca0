"""Keeps how many steps an epoch has, for layers whose schedule counts epochs."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

from keras import ops

from keras_dropouts import backends, schedules
from keras_dropouts.arguments import check_integer, invalid
from keras_dropouts.keras_internals.fits import watch_fits
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.types import Layer, Tensor


def add_epoch_length(layer: Layer) -> None:
    """Add the variable that holds the steps of an epoch, 0 while unknown, to a layer that needs it.

    It is state as the step is: compiled steps see it with no retrace, and weights hold it.
    """
    if schedules.counts_epochs(layer.schedule):
        start = layer.schedule.steps_per_epoch or 0
        layer._epoch_length = layer._state("steps_per_epoch", (), "int32", start)
        layer._was_told = False  # whether a `fit` cares for it, or it was asked for


def epoch_length(layer: Layer) -> int | None:
    """Return the steps of an epoch, None where they are not known or the schedule has none."""
    if not schedules.counts_epochs(layer.schedule):
        return None
    return int(ops.convert_to_numpy(layer._epoch_length)) or None


def set_epoch_length(layer: Layer, value: Any) -> None:
    """Set the steps of an epoch.

    Raises:
        ValueError: if the schedule does not count epochs, or `value` is no integer above 0 or makes
            too many steps.
    """
    if not schedules.counts_epochs(layer.schedule):
        expected = "nothing, as the layer has no schedule in epochs"
        raise invalid("steps_per_epoch", expected, value)
    layer.schedule.in_steps(check_integer(value, "steps_per_epoch", minimum=1))
    layer._epoch_length.assign(value)


def with_epoch_length(layer: Layer) -> Any:
    """Return the schedule of a layer, as a config is to hold it."""
    known = epoch_length(layer)
    return (
        layer.schedule
        if known is None
        else dataclasses.replace(layer.schedule, steps_per_epoch=known)
    )


def scheduled_rate(layer: Layer, step: Tensor) -> Tensor:
    """Return the rate that the schedule of a layer gives at a step."""
    if not schedules.counts_epochs(layer.schedule):
        return layer.schedule(step)
    return layer.schedule.at(step, backends.read(layer._epoch_length))


def ask_epoch_length(layer: Layer) -> None:
    """Warn, once, of a training call of a layer that nobody told how long an epoch is."""
    if not schedules.counts_epochs(layer.schedule) or layer._was_told:
        return
    layer._was_told = True
    if not int(backends.outside_traces(layer._epoch_length)):
        warnings.warn(
            f"The schedule of layer {layer.name!r} counts epochs, and nothing says how many steps "
            "an epoch has, so the rate stays that of step 0. `fit` finds it out; in a training "
            "loop of your own pass `steps_per_epoch=` to the schedule, or set "
            "`layer.steps_per_epoch`.",
            stacklevel=2,
        )


def _counting(model: Any) -> list[Any]:
    """Return the layers of a model whose schedule counts epochs."""
    return [each for each in parts(model) if schedules.counts_epochs(getattr(each, "schedule", 0))]


def _train_begin(model: Any, steps: int | None) -> None:
    for layer in _counting(model):
        layer._was_told = True
        known = epoch_length(layer)
        if known is None and steps is not None:
            set_epoch_length(layer, steps)
        elif steps not in (None, known):
            warnings.warn(
                f"An epoch of this `fit` has {steps} steps, and the schedule of layer "
                f"{layer.name!r} goes on with epochs of {known}, as it began. Set "
                f"`layer.steps_per_epoch = {steps}` where it should not.",
                stacklevel=2,
            )


def _epoch_end(model: Any, steps: int) -> None:
    for layer in _counting(model):
        if epoch_length(layer) is None and steps:
            set_epoch_length(layer, steps)


watch_fits(_train_begin, _epoch_end)
