"""What may stand as a layer's schedule, and how it gets into a config and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts.arguments import check_rate, invalid, is_real
from keras_dropouts.schedules.epochs import counts_epochs

_CHECKED_STEPS = (0, 1, 10, 1_000, 10**6)
_KINDS = "a number from 0 to 1 or a schedule, a callable step -> rate"
_WAY_OUT = (
    "Decorate the function or class with `@keras.saving.register_keras_serializable()`; "
    "a class needs `get_config` as well."
)


def check_schedule(value: Any, argument: str = "rate") -> Callable[[Any], Any]:
    """Return `value` if a layer can take its rate from it and save it.

    That is a callable which Keras can serialize and load again - one of
    `keras_dropouts.schedules`, of `keras.optimizers.schedules`, or a registered function or
    class - and which gives a number from 0 to 1 at each of a few steps, from 0 to a million.

    Raises:
        ValueError: if it is none of these, naming what is wrong with it.

    Example:

    >>> import keras
    >>> import keras_dropouts as kd
    >>> decay = keras.optimizers.schedules.CosineDecay(0.3, decay_steps=1000)
    >>> kd.schedules.check_schedule(decay) is decay
    True
    >>> kd.schedules.check_schedule(lambda step: 0.3)
    Traceback (most recent call last):
    ...
    ValueError: Invalid value for argument `rate`. Expected a number from 0 to 1 or a schedule...
    """
    if not callable(value) or isinstance(value, type):
        raise invalid(argument, _KINDS, value)
    if getattr(value, "__name__", "") == "<lambda>":
        raise invalid(argument, f"{_KINDS}, that is no lambda: it cannot be saved", value, _WAY_OUT)
    try:
        deserialize(json.loads(json.dumps(serialize(value))))
    except Exception as error:  # a stranger's config can fail in any way
        raise invalid(
            argument, f"{_KINDS}, that can be saved and loaded ({error})", value, _WAY_OUT
        ) from error
    counted = value.in_steps(value.steps_per_epoch or 1) if counts_epochs(value) else value
    for step in _CHECKED_STEPS:
        _check_value_at(step, counted, argument)
    return value


def _check_value_at(step: int, schedule: Callable[[Any], Any], argument: str) -> None:
    try:
        rate = schedule(ops.convert_to_tensor(step, "int32"))  # as a layer calls it
        rate = np.asarray(ops.convert_to_numpy(rate))
    except Exception as error:  # a stranger's function can fail in any way
        expected = f"a schedule that takes a step (at step {step}: {error})"
        raise invalid(argument, expected, schedule) from error
    if rate.shape != () or rate.dtype.kind not in "iuf" or not 0.0 <= float(rate) <= 1.0:
        expected = f"a schedule whose rate is a number from 0 to 1 (at step {step} it is {rate})"
        raise invalid(argument, expected, schedule)


def serialize(value: Any) -> Any:
    """Return a rate as a config holds it: a number as a float, a schedule as Keras's dict.

    Raises:
        ValueError: if `value` is neither.

    Example:

    >>> import keras_dropouts as kd
    >>> kd.schedules.serialize(0.5)
    0.5
    >>> kd.schedules.serialize(kd.schedules.LateDropout(0.2, begin_step=100))["config"]
    {'rate': 0.2, 'begin_step': 100}
    """
    if is_real(value):
        return check_rate(value)
    if not callable(value):
        raise invalid("rate", _KINDS, value)
    return keras.saving.serialize_keras_object(value)


def deserialize(value: Any) -> Any:
    """Return the rate that `serialize` put into a config; numbers and schedules stay as they are.

    Raises:
        ValueError: if `value` is none of these, or describes a class that is not registered.

    Example:

    >>> import keras_dropouts as kd
    >>> late = kd.schedules.LateDropout(0.2, begin_step=100)
    >>> kd.schedules.deserialize(kd.schedules.serialize(late)) == late
    True
    """
    if is_real(value):
        return check_rate(value)
    if callable(value):
        return value
    if not isinstance(value, dict):
        raise invalid("rate", f"{_KINDS}, or the dict that describes one", value)
    return keras.saving.deserialize_keras_object(value)
