"""Lets KerasTuner choose the rates of a model."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import check_flag, check_rate, invalid
from keras_dropouts.surgery.rates import names_of, set_found_rates
from keras_dropouts.tuning.tunable import tunable_sources


def keras_tuner_rates(
    hp: Any, model: keras.Model, low: float = 0.0, high: float = 0.5, by_layer: bool = False
) -> dict[str, float]:
    """Set the rates of a model to what KerasTuner tries next, inside the function that builds it.

    The hyperparameter is "dropout_rate", or with `by_layer=True` one for each layer, in the order
    in which `inspect_dropout` shows them: "dropout_rate_0_SpatialDropout", "dropout_rate_1_Dropout"
    and so on. No name of a layer is in them, as Keras numbers layers anew in each trial. A number
    prevails over the schedule of a layer. Layers that learn their rate, and `PatchDropout`, stay as
    they are. It needs KerasTuner: pip install 'keras-dropouts[tuner]'.

    Args:
        hp: The `keras_tuner.HyperParameters` that the function got.
        model: A Keras model with dropout layers, or `dropout=` arguments above 0.
        low: The lowest rate, a number in [0, 1].
        high: The highest rate, a number in [0, 1] above `low`.
        by_layer: Whether each layer gets a rate of its own.

    Returns:
        The rates that were set, {path: rate}.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the model has no
            rate that can be set.

    Example:

    >>> import keras
    >>> import keras_dropouts as kd
    >>> import keras_tuner
    >>> def build(hp):
    ...     model = keras.Sequential(
    ...         [keras.Input((4,)), kd.ScheduledDropout(0.1, name="drop"), keras.layers.Dense(1)]
    ...     )
    ...     kd.tuning.keras_tuner_rates(hp, model, high=0.4)
    ...     model.compile("adam", "mse")
    ...     return model
    >>> hp = keras_tuner.HyperParameters()
    >>> model = build(hp)
    >>> list(hp.values)
    ['dropout_rate']
    """
    if not callable(getattr(hp, "Float", None)):
        raise invalid("hp", "a keras_tuner.HyperParameters", hp)
    if not isinstance(model, keras.Model):
        raise invalid("model", "a keras.Model", model)
    check_rate(low, "low")
    if check_rate(high, "high") <= low:
        raise invalid("high", f"a number above `low`, which is {low}", high)
    check_flag(by_layer, "by_layer")
    sources = tunable_sources(model)
    found = []
    for i, source in enumerate(sources):
        name = f"dropout_rate_{i}_{type(source.layer).__name__}" if by_layer else "dropout_rate"
        rate = hp.Float(name, min_value=float(low), max_value=float(high))
        found.append((source, check_rate(float(rate))))
    set_found_rates(model, found)
    return {names_of(source)[0]: rate for source, rate in found}
