"""Defines two Keras callbacks: one logs the present rates, the other sets them by epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_choice, invalid
from keras_dropouts.keras_internals.layers import is_from_keras
from keras_dropouts.schedules import counts_epochs
from keras_dropouts.surgery.rates import set_rates
from keras_dropouts.surgery.sources import NoiseSource, noise_sources


class RateLogger(keras.callbacks.Callback):
    """Puts the present rate of every dropout layer into `logs` at the end of each epoch.

    The layers of this package are logged, Keras's own dropout layers, and the `dropout=`
    arguments of recurrent and attention layers, inside nested models and wrappers too. A name is
    the prefix and the path that `inspect_dropout` shows; an argument's name follows after a `/`.

    Wherever it stands in the list of callbacks, it writes before the others read: the history, the
    progress bar, `TensorBoard`, `CSVLogger` and callbacks of your own see the rates.

    Args:
        prefix: What the names in `logs` begin with, a string.

    Raises:
        ValueError: if `prefix` is not a string.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), kd.ScheduledDropout(0.5, name="drop"), keras.layers.Dense(1)]
    ... )
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
    >>> history = model.fit(x, y, epochs=2, callbacks=[kd.RateLogger()], verbose=0)
    >>> history.history["rate/drop"]
    [0.5, 0.5]
    """

    writes_logs = True  # a list of callbacks asks it before the others

    def __init__(self, prefix: str = "rate/") -> None:
        super().__init__()
        if not isinstance(prefix, str):
            raise invalid("prefix", "a string", prefix)
        self.prefix = prefix

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        for source in noise_sources(self.model):
            if source.is_probability:
                logs[_unused(self.prefix + _name(source), logs)] = source.rate


def _name(source: NoiseSource) -> str:
    return source.path if source.argument is None else f"{source.path}/{source.argument}"


def _unused(name: str, logs: dict[str, Any]) -> str:
    """Return `name`, with a number where a subclassed model has several layers of one name."""
    unused, number = name, 1
    while unused in logs:
        number += 1
        unused = f"{name}_{number}"
    return unused


class RateScheduler(keras.callbacks.Callback):
    """Sets the rates of dropout layers at the beginning of each epoch.

    Compiled steps see the new rates with no retrace. Over a layer's own schedule the rate set
    here prevails. Keras's own dropout layers cannot be scheduled, as a compiled step does not
    notice a change of their rate; `replace_dropout` turns them into layers of this package. Layers
    of classes that `register_noise` made known are set if they are named; a compiled step is traced
    again in each epoch that changes the rate of one.

    Args:
        schedule: Function of the epoch (int, from 0), or of the epoch and the layer's present
            rate (float), that returns the new rate, a number in [0, 1]. A second parameter gets
            the rate if it has no default or is called `rate`. Schedules of this package and of
            `keras.optimizers.schedules` can be used; they count epochs here, whatever their unit.
        layers: Names of the layers whose rates are set, a list of paths as `inspect_dropout`
            shows them or of class names. None takes every layer of this package whose rate is
            not learned.
        verbose: 0 prints nothing, 1 prints the rates that are set.

    Raises:
        ValueError: if an argument is of the wrong type; when training begins, if a name fits no
            such layer, or none is named and this package has none in the model; at the beginning of
            an epoch, if `schedule` returns something else than a number in [0, 1]. No rate has been
            changed then.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), kd.ScheduledDropout(0.5, name="drop"), keras.layers.Dense(1)]
    ... )
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
    >>> half = kd.RateScheduler(lambda epoch, rate: 0.5 * rate, layers=["drop"])
    >>> history = model.fit(x, y, epochs=3, callbacks=[half, kd.RateLogger()], verbose=0)
    >>> history.history["rate/drop"]
    [0.25, 0.125, 0.0625]
    >>> ramp = kd.RateScheduler(kd.schedules.LinearRamp(0.0, 0.3, ramp_steps=10))
    """

    def __init__(
        self,
        schedule: Callable[..., Any],
        layers: Sequence[str] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        if not callable(schedule) or isinstance(schedule, type):
            raise invalid("schedule", "a function of the epoch that returns a rate", schedule)
        if layers is not None and (
            not isinstance(layers, list | tuple)
            or not layers
            or not all(isinstance(name, str) for name in layers)
        ):
            raise invalid("layers", "None or a list of at least one name", layers)
        self.schedule = schedule
        self.layers = layers
        self.verbose = check_choice(verbose, "verbose", (0, 1))
        self._takes_rate = _takes_rate(schedule)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._chosen()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        chosen = self._chosen()
        rates = [self._rate(epoch, source.rate) for source in chosen]
        new = {
            id(source.layer): rate
            for source, rate in zip(chosen, rates, strict=True)
            if source.ours or rate != source.rate  # which a compiled step would be traced again for
        }
        set_rates(self.model, lambda layer: new.get(id(layer)))
        if self.verbose:
            for source, rate in zip(chosen, rates, strict=True):
                print(f"\nEpoch {epoch + 1}: RateScheduler sets {source.path} to {rate:.4g}.")

    def _chosen(self) -> list[NoiseSource]:
        sources = noise_sources(self.model)
        if self.layers is None:
            sources = [source for source in sources if source.ours and not source.layer.learned]
            if not sources:
                raise invalid(
                    "model",
                    "a model with dropout layers of keras_dropouts whose rate is not learned",
                    self.model,
                    "Others are set if `layers` names them.",
                )
            return sources
        sources = [each for each in sources if not is_from_keras(each.layer)]
        known = ", ".join(source.path for source in sources)
        names = {name for source in sources for name in _names(source)}
        unknown = [name for name in self.layers if name not in names]
        if unknown:
            raise invalid("layers", f"paths or classes out of: {known}", unknown)
        return [source for source in sources if not _names(source).isdisjoint(self.layers)]

    def _rate(self, epoch: int, present: float) -> float:
        schedule: Any = self.schedule
        schedule = schedule.in_steps(1) if counts_epochs(schedule) else schedule
        value = schedule(epoch, present) if self._takes_rate else schedule(epoch)
        array = np.asarray(keras.ops.convert_to_numpy(value))
        if array.shape != () or array.dtype.kind not in "iuf" or not 0.0 <= float(array) <= 1.0:
            expected = f"a function that returns a number from 0 to 1 (epoch {epoch}: {value!r})"
            raise invalid("schedule", expected, self.schedule)
        return float(array)


def _names(source: NoiseSource) -> set[str]:
    return {source.path, type(source.layer).__name__}


def _takes_rate(schedule: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(schedule).parameters.values())
    except ValueError:  # some built-in callables show no signature
        return False
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [parameter for parameter in parameters if parameter.kind in places]
    if len(parameters) < 2:
        return False
    return parameters[1].name == "rate" or parameters[1].default is inspect.Parameter.empty
