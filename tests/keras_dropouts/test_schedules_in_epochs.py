"""Tests of schedules in epochs: `fit` finds the steps of an epoch, and they are saved."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts.registry import registered

layers, schedules = keras.layers, kd.schedules
X = np.ones((20, 4), "float32")
Y = np.ones((20, 1), "float32")

PAIRS = [  # in epochs, and in steps where an epoch has 10
    (
        schedules.LinearRamp(0.1, 0.6, ramp_epochs=3, begin_epoch=1),
        schedules.LinearRamp(0.1, 0.6, 30, 10),
    ),
    (schedules.CosineRamp(0.6, 0.1, ramp_epochs=3), schedules.CosineRamp(0.6, 0.1, 30)),
    (
        schedules.CurriculumRamp(0.1, 0.6, ramp_epochs=2, sharpness=4),
        schedules.CurriculumRamp(0.1, 0.6, 20, sharpness=4),
    ),
    (
        schedules.PiecewiseConstant(rates=[0.0, 0.3, 1.0], boundary_epochs=[1, 3]),
        schedules.PiecewiseConstant([10, 30], [0.0, 0.3, 1.0]),
    ),
    (schedules.EarlyDropout(0.3, epochs=2), schedules.EarlyDropout(0.3, 20)),
    (
        schedules.EarlyDropout(0.3, epochs=2, decay="linear"),
        schedules.EarlyDropout(0.3, 20, decay="linear"),
    ),
    (schedules.LateDropout(0.3, begin_epoch=2), schedules.LateDropout(0.3, 20)),
]
every_pair = pytest.mark.parametrize(("epochs", "steps"), PAIRS, ids=lambda each: repr(each))
RAMP = schedules.LinearRamp(0.0, 0.8, ramp_epochs=4)


def _model(rate: Any = RAMP, **compiled: Any) -> keras.Model:
    drop = kd.ScheduledDropout(rate, seed=1, name="drop")
    model = keras.Sequential([keras.Input((4,)), drop, layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.01), "mse", **compiled)
    return model


def _fit(model: keras.Model, **options: Any) -> list[float]:
    """Return the rates at the ends of the epochs."""
    options = {"batch_size": 2, "epochs": 1, "verbose": 0, "shuffle": False, **options}
    made = model.fit(X, Y, callbacks=[kd.RateLogger()], **options)
    return made.history["rate/drop"]


def test_every_schedule_can_count_epochs() -> None:
    known = {cls for cls in registered() if issubclass(cls, schedules.Schedule)}
    known = {cls for cls in known if cls.__module__.startswith("keras_dropouts.")}
    assert known == {type(epochs) for epochs, _ in PAIRS}


@every_pair
def test_epochs_are_steps_times_their_number(epochs: Any, steps: Any) -> None:
    assert epochs.in_steps(10) == steps
    assert (epochs.in_epochs, steps.in_epochs) == (True, False)
    told = type(epochs).from_config({**epochs.get_config(), "steps_per_epoch": 10})
    at = np.arange(-1, 60)
    np.testing.assert_array_equal(told(at), steps(at))
    assert [told(step) for step in (0, 10, 19, 20, 30)] == [steps(x) for x in (0, 10, 19, 20, 30)]
    again = schedules.deserialize(json.loads(json.dumps(schedules.serialize(told))))
    assert again == told
    assert type(epochs).from_config(epochs.get_config()) == epochs
    assert eval(repr(told), vars(schedules)) == told


@every_pair
def test_compiled_graphs_take_the_length_as_a_tensor(epochs: Any, steps: Any) -> None:
    def rate(step: Any, length: Any) -> Any:
        return epochs.at(step, length)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        rate = tf.function(rate)
    elif keras.backend.backend() == "jax":
        import jax

        rate = jax.jit(rate)
    for step in (0, 9, 10, 11, 20, 29, 30, 45):
        found = rate(ops.convert_to_tensor(step, "int32"), ops.convert_to_tensor(10, "int32"))
        np.testing.assert_allclose(float(found), steps(step), atol=1e-7, rtol=1e-6)
        unknown = rate(ops.convert_to_tensor(step, "int32"), ops.convert_to_tensor(0, "int32"))
        np.testing.assert_allclose(float(unknown), steps(0), atol=1e-7, rtol=1e-6)


@every_pair
def test_a_layer_follows_as_in_steps(epochs: Any, steps: Any) -> None:
    one, two = (_model(each) for each in (epochs, steps))
    # A graph divides by a constant in another way than by a variable: the last digit may differ.
    np.testing.assert_allclose(_fit(one, epochs=4), _fit(two, epochs=4), rtol=1e-6, atol=1e-7)
    weights = (each.layers[-1].get_weights()[0] for each in (one, two))
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)
    assert (one.layers[0].steps_per_epoch, two.layers[0].steps_per_epoch) == (10, None)
    assert len(two.layers[0].variables) == 3  # a schedule in steps has no state more than before


WAYS: list[dict[str, Any]] = [{"run_eagerly": True}, {"jit_compile": False}]
if keras.backend.backend() != "torch":  # which takes one step at a time
    WAYS.append({"steps_per_execution": 5})


@pytest.mark.parametrize("options", WAYS)
def test_each_way_to_run_a_step(options: dict[str, Any]) -> None:
    np.testing.assert_allclose(_fit(_model(**options), epochs=3), [0.2, 0.4, 0.6], rtol=1e-6)


def _batches() -> Any:
    """Return ten batches, of which nobody knows before that there are ten."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).filter(lambda x, y: True)


class _Endless(keras.utils.PyDataset):
    """Gives batches, and says nothing of how many there are."""

    num_batches = None

    def __getitem__(self, index: int) -> Any:
        return X[:2], Y[:2]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # what Keras says of such data
def test_data_of_unknown_length_is_counted_in_the_first_epoch() -> None:
    model = _model()
    seen = []
    seer = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(model.layers[0].rate)
    )
    callbacks = [kd.RateLogger()] if keras.backend.backend() == "jax" else [seer]
    model.fit(_batches(), shuffle=False, verbose=0, callbacks=callbacks)
    assert set(seen) <= {0.0}
    layer = model.layers[0]
    assert layer.steps_per_epoch == 10
    # On TensorFlow the step after the last batch runs until it misses its data, and is counted by
    # the optimizer and the layer alike.
    steps = int(ops.convert_to_numpy(model.optimizer.iterations))
    assert (layer.step, steps - 10 in (0, 1)) == (steps, True)
    np.testing.assert_allclose(layer.rate, 0.8 * steps / 40, rtol=1e-6)
    model.fit(_batches(), shuffle=False, verbose=0)
    steps = int(ops.convert_to_numpy(model.optimizer.iterations))
    np.testing.assert_allclose(layer.rate, 0.8 * steps / 40, rtol=1e-6)
    told = _model()
    told.fit(_Endless(), shuffle=False, steps_per_epoch=5, epochs=2, verbose=0)
    assert told.layers[0].steps_per_epoch == 5
    np.testing.assert_allclose(told.layers[0].rate, 0.4, rtol=1e-6)


@pytest.mark.parametrize("way", ["model", "weights", "config"])
def test_a_saved_model_goes_on_exactly(way: str, tmp_path: Path) -> None:
    whole, parted = _model(), _model()
    rates = _fit(whole, epochs=4)
    first = _fit(parted, epochs=2)
    path = tmp_path / ("model.keras" if way == "model" else "model.weights.h5")
    if way == "model":
        parted.save(path)
        resumed = keras.models.load_model(path)
    else:
        parted.save_weights(path)
        resumed = (
            _model() if way == "weights" else keras.Sequential.from_config(parted.get_config())
        )
        resumed.compile(keras.optimizers.SGD(0.01), "mse")
        resumed.load_weights(path)
    assert resumed.layers[0].steps_per_epoch == 10
    assert resumed.layers[0].rate == parted.layers[0].rate
    rest = _fit(resumed, epochs=4, initial_epoch=2)
    assert first + rest == rates
    weights = (each.layers[-1].get_weights()[0] for each in (whole, resumed))
    np.testing.assert_array_equal(*weights)


def test_a_loop_of_ones_own_is_told_what_is_missing() -> None:
    message = re.escape(
        "The schedule of layer 'drop' counts epochs, and nothing says how many steps an epoch has, "
        "so the rate stays that of step 0. `fit` finds it out; in a training loop of your own pass "
        "`steps_per_epoch=` to the schedule, or set `layer.steps_per_epoch`."
    )
    model = _model()
    model.predict(X, verbose=0)
    with pytest.warns(UserWarning, match=message) as said:
        model.train_on_batch(X, Y)
    assert sum("counts epochs" in str(each.message) for each in said) == 1
    model.train_on_batch(X, Y)  # said once
    layer = model.layers[0]
    layer.steps_per_epoch = 2
    model.train_on_batch(X, Y)
    assert layer.step == 3
    np.testing.assert_allclose(layer.rate, 0.8 * 3 / 8, rtol=1e-6)
    given = kd.ScheduledDropout(schedules.LinearRamp(0.0, 0.8, ramp_epochs=4, steps_per_epoch=1))
    for _ in range(2):
        given(X, training=True)
    np.testing.assert_allclose(given.rate, 0.4, rtol=1e-6)
    loaded = _model()
    loaded.set_weights(model.get_weights())
    loaded.train_on_batch(X, Y)  # weights told it


def test_other_epochs_are_said_and_the_first_stay() -> None:
    model = _model()
    _fit(model)
    message = "An epoch of this `fit` has 5 steps, and the schedule of layer 'drop' goes on with"
    with pytest.warns(UserWarning, match=message):
        _fit(model, batch_size=4)
    assert model.layers[0].steps_per_epoch == 10
    model.layers[0].steps_per_epoch = 5
    _fit(model, batch_size=4)
    np.testing.assert_allclose(model.layers[0].rate, 0.8, rtol=1e-6)  # 20 of 20 steps


def test_the_rate_scheduler_takes_epochs_for_epochs() -> None:
    model = _model(0.5)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[kd.RateScheduler(RAMP)])
    np.testing.assert_allclose(model.layers[0].rate, 0.4, rtol=1e-6)


def test_a_drawing_counts_epochs_until_it_knows_steps() -> None:
    axes = RAMP.plot()
    assert (axes.get_xlabel(), axes.get_xlim()) == ("epoch", (0.0, 5.0))
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(y, np.minimum(x / 4, 1) * 0.8, atol=1e-12, rtol=0)
    known = schedules.LinearRamp(0.0, 0.8, ramp_epochs=4, steps_per_epoch=10).plot()
    assert (known.get_xlabel(), known.get_xlim()) == ("training step", (0.0, 50.0))
    axes.figure.clear()
    known.figure.clear()


BAD = [
    (lambda: schedules.LinearRamp(0.0, 0.5), "`ramp_steps`. Expected a value, or one for `ramp_ep"),
    (
        lambda: schedules.LinearRamp(0.0, 0.5, 10, ramp_epochs=2),
        "`ramp_steps`. Expected None beside ramp_epochs, begin_epoch: steps or epochs, not both",
    ),
    (lambda: schedules.LinearRamp(0.0, 0.5, 10, 3, begin_epoch=2), "Received: ramp_steps=10"),
    (lambda: schedules.LinearRamp(0.0, 0.5, begin_epoch=2), "`ramp_epochs`. Expected a value, or"),
    (lambda: schedules.LinearRamp(0.0, 0.5, ramp_epochs=0), "an integer not below 1"),
    (lambda: schedules.LinearRamp(0.0, 0.5, ramp_epochs=0.5), "an integer not below 1"),
    (lambda: schedules.CosineRamp(0.0, 0.5, ramp_epochs=2, begin_epoch=-1), "not below 0"),
    (
        lambda: schedules.CosineRamp(0.0, 0.5, ramp_epochs=2**20, steps_per_epoch=2**20),
        "`ramp_steps`. Expected an integer from 1 to 2147483647",
    ),
    (
        lambda: schedules.CosineRamp(0.0, 0.5, 10, steps_per_epoch=2),
        "`steps_per_epoch`. Expected None, as the schedule is in steps",
    ),
    (lambda: schedules.EarlyDropout(0.5), "`steps`. Expected a value, or one for `epochs` in its"),
    (
        lambda: schedules.LateDropout(0.5),
        "`begin_step`. Expected a value, or one for `begin_epoch`",
    ),
    (
        lambda: schedules.PiecewiseConstant(rates=[0.1]),
        "`boundaries`. Expected a value, or one for",
    ),
    (
        lambda: schedules.PiecewiseConstant(rates=[0.1, 0.2, 0.3], boundary_epochs=[3, 2]),
        "`boundary_epochs`. Expected epochs, each above the one before",
    ),
    (
        lambda: RAMP(3),
        "`steps_per_epoch`. Expected an integer above 0 where a schedule in epochs is",
    ),
    (lambda: RAMP.in_steps(0), "`steps_per_epoch`. Expected an integer not below 1"),
    (
        lambda: setattr(kd.ScheduledDropout(0.5), "steps_per_epoch", 3),
        "`steps_per_epoch`. Expected nothing, as the layer has no schedule in epochs",
    ),
    (
        lambda: setattr(kd.ScheduledDropout(RAMP), "steps_per_epoch", 0.5),
        "`steps_per_epoch`. Expected an integer not below 1",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
