"""Tests of the callbacks that log and set rates."""

import math
from typing import Any

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts import schedules

X = np.linspace(-1, 1, 8 * 4, dtype="float32").reshape(8, 4)
Y = X[:, :1]


def _model(*layers: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1, name="out")])
    model.compile("sgd", "mse")
    return model


def _two() -> keras.Model:
    """Return a nested model with three dropout layers of ours and one of Keras's."""
    branch = keras.Sequential(
        [
            keras.Input((4,)),
            kd.ScheduledDropout(schedules.LinearRamp(0.0, 0.5, ramp_steps=8), name="ramp"),
            keras.layers.Dropout(0.25, name="fixed"),
        ],
        name="branch",
    )
    inputs = keras.Input((4,))
    x = kd.ScheduledDropout(0.1, name="first")(inputs)
    x = kd.SpatialDropout(0.2, name="channels")(keras.layers.Reshape((2, 2))(branch(x)))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    model.compile("sgd", "mse")
    return model


def _fit(model: keras.Model, *callbacks: Any, epochs: int = 2, **arguments: Any) -> dict[str, Any]:
    history = model.fit(
        X,
        Y,
        batch_size=2,
        epochs=epochs,
        callbacks=list(callbacks),
        **{"verbose": 0, **arguments},
    )
    return history.history


class TestRateLogger:
    def test_logs_every_rate_by_its_path(self) -> None:
        logs = _fit(_two(), kd.RateLogger())
        assert {name: values for name, values in logs.items() if name != "loss"} == {
            "rate/first": [0.1, 0.1],
            "rate/branch/ramp": [0.25, 0.5],  # after 4 and 8 steps
            "rate/branch/fixed": [0.25, 0.25],
            "rate/channels": [0.2, 0.2],
        }

    def test_names_are_those_of_inspect_dropout(self) -> None:
        model = _two()
        logs = _fit(model, kd.RateLogger("p:"), epochs=1)
        assert [f"p:{row.path}" for row in kd.inspect_dropout(model)] == [
            name for name in logs if name.startswith("p:")
        ]

    def test_logs_learned_rates_and_dropout_arguments_but_no_deviations(self) -> None:
        model = _model(
            kd.ConcreteDropout(keras.layers.Dense(4), name="concrete", data_size=8),
            keras.layers.GaussianNoise(0.3),
            keras.layers.Reshape((2, 2)),
            keras.layers.LSTM(3, dropout=0.25, recurrent_dropout=0.125, name="lstm"),
        )
        logs = _fit(model, kd.RateLogger(), epochs=1)
        rates = {name: values[0] for name, values in logs.items() if name.startswith("rate/")}
        assert rates == {
            "rate/concrete": model.get_layer("concrete").rate,
            "rate/lstm/lstm_cell/dropout": 0.25,
            "rate/lstm/lstm_cell/recurrent_dropout": 0.125,
        }

    @pytest.mark.parametrize("first", [True, False])
    def test_other_callbacks_see_the_rates_wherever_they_stand(
        self, tmp_path: Any, first: bool
    ) -> None:
        path = tmp_path / "log.csv"
        given = [kd.RateLogger(), keras.callbacks.CSVLogger(str(path))]
        order = given if first else given[::-1]
        _fit(_model(kd.ScheduledDropout(0.5, name="drop")), *order)
        assert order == (given if first else given[::-1])
        titles, *rows = [line.split(",") for line in path.read_text().splitlines()]
        assert [row[titles.index("rate/drop")] for row in rows] == ["0.5", "0.5"]

    @pytest.mark.parametrize("first", [True, False])
    def test_tensorboard_writes_the_rates(self, tmp_path: Any, first: bool) -> None:
        model = _model(kd.ScheduledDropout(0.5, name="drop"))
        given = [kd.RateLogger(), keras.callbacks.TensorBoard(str(tmp_path))]
        _fit(model, *(given if first else given[::-1]), epochs=1)
        files = list((tmp_path / "train").glob("events*"))
        assert any(b"epoch_rate/drop" in file.read_bytes() for file in files)

    def test_layers_of_one_name_are_told_apart(self) -> None:
        class Twins(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.drops = [kd.ScheduledDropout(rate, name="drop") for rate in (0.1, 0.2)]
                self.out = keras.layers.Dense(1)

            def call(self, inputs: Any, training: bool = False) -> Any:
                for drop in self.drops:
                    inputs = drop(inputs, training=training)
                return self.out(inputs)

        model = Twins()
        model.compile("sgd", "mse")
        logs = _fit(model, kd.RateLogger())
        assert logs["rate/drop"] == [0.1, 0.1]
        assert logs["rate/drop_2"] == [0.2, 0.2]

    def test_no_dropout_adds_nothing(self) -> None:
        assert set(_fit(_model(), kd.RateLogger())) == {"loss"}

    def test_no_logs_is_no_error(self) -> None:
        logger = kd.RateLogger()
        logger.set_model(_model())
        logger.on_epoch_end(0)

    @pytest.mark.parametrize("prefix", [None, 3, True, math.nan, b"rate"])
    def test_bad_prefix(self, prefix: Any) -> None:
        with pytest.raises(ValueError, match=r"argument `prefix`\. Expected a string\. Received"):
            kd.RateLogger(prefix)


class TestRateScheduler:
    def test_sets_every_rate_of_ours_by_epoch(self) -> None:
        model = _two()
        scheduler = kd.RateScheduler(lambda epoch: 0.25 * epoch)
        logs = _fit(model, scheduler, kd.RateLogger(), epochs=3)
        for name in ("first", "branch/ramp", "channels"):
            assert logs[f"rate/{name}"] == [0.0, 0.25, 0.5]
        assert logs["rate/branch/fixed"] == [0.25] * 3

    @pytest.mark.parametrize(
        ("layers", "changed"),
        [
            (["branch/ramp"], {"branch/ramp"}),
            (("first", "channels"), {"first", "channels"}),
            (["ScheduledDropout"], {"first", "branch/ramp"}),
        ],
    )
    def test_sets_the_named_layers_only(self, layers: Any, changed: set[str]) -> None:
        model = _two()
        before = {row.path: row.rate for row in kd.inspect_dropout(model)}
        _fit(model, kd.RateScheduler(lambda epoch: 0.875, layers), epochs=1)
        after = {row.path: row.rate for row in kd.inspect_dropout(model)}
        for path in before.keys() - {"branch/ramp"}:
            assert after[path] == (0.875 if path in changed else before[path])
        assert (after["branch/ramp"] == 0.875) == ("branch/ramp" in changed)

    def test_a_compiled_step_drops_at_the_new_rate(self) -> None:
        model = _model(kd.ScheduledDropout(0.0, name="drop"))
        model.compile(keras.optimizers.SGD(0.0), "mse")
        exact = model.evaluate(X, Y, verbose=0)
        losses = _fit(model, kd.RateScheduler(lambda epoch: float(epoch)))["loss"]
        nothing_gets_through = float(np.mean(Y**2))
        np.testing.assert_allclose(losses, [exact, nothing_gets_through], atol=1e-6, rtol=1e-6)

    def test_the_present_rate_is_given_where_it_is_asked_for(self) -> None:
        def halve(epoch: int, rate: float) -> float:
            return rate / 2

        def halve_with_default(epoch: int, rate: float = 0.0) -> float:
            return rate / 2

        for schedule in (halve, halve_with_default, lambda epoch, present: present / 2):
            model = _model(kd.ScheduledDropout(0.5, name="drop"))
            logs = _fit(model, kd.RateScheduler(schedule), kd.RateLogger())
            assert logs["rate/drop"] == [0.25, 0.125]

    def test_another_default_is_left_alone(self) -> None:
        model = _model(kd.ScheduledDropout(0.5, name="drop"))
        scheduler = kd.RateScheduler(lambda epoch, scale=0.125: scale * epoch)
        assert _fit(model, scheduler, kd.RateLogger())["rate/drop"] == [0.0, 0.125]

    @pytest.mark.parametrize(
        ("schedule", "rates"),
        [
            (schedules.LinearRamp(0.0, 0.5, ramp_steps=2), [0.0, 0.25, 0.5]),
            (keras.optimizers.schedules.PolynomialDecay(0.5, 2, 0.0), [0.5, 0.25, 0.0]),
            (lambda epoch: np.float32(0.5), [0.5] * 3),
            (lambda epoch: 1, [1.0] * 3),
        ],
    )
    def test_schedules_count_epochs_here(self, schedule: Any, rates: list[float]) -> None:
        model = _model(kd.ScheduledDropout(0.9, name="drop"))
        logs = _fit(model, kd.RateScheduler(schedule), kd.RateLogger(), epochs=3)
        np.testing.assert_allclose(logs["rate/drop"], rates, atol=1e-7, rtol=1e-6)

    def test_goes_on_from_the_initial_epoch(self) -> None:
        model = _model(kd.ScheduledDropout(0.9, name="drop"))
        _fit(model, kd.RateScheduler(lambda epoch: epoch / 16), epochs=5, initial_epoch=4)
        assert model.layers[0].rate == 0.25

    def test_learned_rates_are_left_to_learning(self) -> None:
        concrete = kd.ConcreteDropout(keras.layers.Dense(4), name="concrete", data_size=8)
        model = _model(concrete, kd.ScheduledDropout(0.1, name="drop"))
        _fit(model, kd.RateScheduler(lambda epoch: 0.75), epochs=1)
        assert model.get_layer("drop").rate == 0.75
        assert concrete.rate < 0.5

    def test_verbose_prints_what_is_set(self, capsys: pytest.CaptureFixture[str]) -> None:
        model = _model(kd.ScheduledDropout(0.1, name="drop"))
        _fit(model, kd.RateScheduler(lambda epoch: 0.125, verbose=1), epochs=1)
        assert "Epoch 1: RateScheduler sets drop to 0.125." in capsys.readouterr().out
        _fit(model, kd.RateScheduler(lambda epoch: 0.125), epochs=1)
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("layers", [["frist"], ["branch/ramp", "fixed"], ["branch/fixed"]])
    def test_unknown_names_stop_the_training_before_it_begins(self, layers: list[str]) -> None:
        model = _two()
        before = model.get_weights()
        with pytest.raises(
            ValueError,
            match=r"argument `layers`\. Expected paths or classes out of: first, branch/ramp, ch",
        ):
            _fit(model, kd.RateScheduler(lambda epoch: 0.5, layers))
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    @pytest.mark.parametrize(
        "layer", [keras.layers.Dropout(0.1), kd.ConcreteDropout(keras.layers.Dense(4), data_size=8)]
    )
    def test_nothing_to_set_is_an_error(self, layer: Any) -> None:
        with pytest.raises(ValueError, match=r"argument `model`\. Expected a model with dropout"):
            _fit(_model(layer), kd.RateScheduler(lambda epoch: 0.5))

    @pytest.mark.parametrize("rate", [1.5, -0.1, math.nan, math.inf, [0.1], True, np.ones(2)])
    def test_bad_rates_stop_the_training_with_nothing_set(self, rate: Any) -> None:
        model = _model(kd.ScheduledDropout(0.5), kd.ScheduledDropout(0.25))
        with pytest.raises(
            ValueError, match=r"argument `schedule`\. Expected a function .*epoch 0: .*Received"
        ):
            _fit(model, kd.RateScheduler(lambda epoch, now: rate if now == 0.25 else 0.75))
        assert [layer.rate for layer in model.layers[:2]] == [0.5, 0.25]

    @pytest.mark.parametrize("rate", [None, "0.5", {}])
    def test_rates_that_are_no_numbers(self, rate: Any) -> None:
        with pytest.raises(ValueError, match=r"argument `schedule`\. Expected a function"):
            _fit(_model(kd.ScheduledDropout(0.5)), kd.RateScheduler(lambda epoch: rate))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("schedule", value) for value in (None, 0.5, "linear", [0.1], schedules.LinearRamp)],
            *[("layers", value) for value in ("drop", [], 3, True, [1], {"drop"})],
            *[("verbose", value) for value in (2, -1, None, "1", math.nan)],
        ],
    )
    def test_bad_arguments(self, name: str, value: Any) -> None:
        arguments = {"schedule": lambda epoch: 0.5, name: value}
        with pytest.raises(ValueError, match=rf"argument `{name}`\. Expected .+ Received: {name}="):
            kd.RateScheduler(**arguments)
