"""Tests of tune_rates: the rate it finds, what it computes once, and what it leaves as it was."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts.monte_carlo import compiled_run

layers = keras.layers
RATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)


class _Counted(layers.Layer):
    """Does nothing, and counts how often."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, inputs: Any) -> Any:
        self.calls += 1
        return inputs


def _sum(rate: Any = 0.5, kind: Any = kd.ScheduledDropout) -> keras.Model:
    """Return a model whose samples have a spread of sqrt(64 * rate / (1 - rate)) around 64."""
    return keras.Sequential(
        [
            keras.Input((64,)),
            _Counted(name="head"),
            kind(rate, name="drop"),
            _Counted(name="tail"),
            layers.Dense(1, kernel_initializer="ones", name="sum"),
        ]
    )


def _ones(rate: float = 0.1, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs of ones, and targets with the spread of a dropout rate."""
    noise = np.random.default_rng(0).normal(size=(rows, 1))
    return np.ones((rows, 64), "float32"), 64 + noise * np.sqrt(64 * rate / (1 - rate))


def _classes(kind: Any = layers.Dropout) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Return a classifier that is surer than right, with two dropouts, and held-out data."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(240, 6)).astype("float32")
    y = (x[:, 0] + generator.normal(size=240) > 0).astype("int32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, "relu"),
            kind(0.05, name="one"),
            layers.Dense(32, "relu"),
            kind(0.1, name="two"),
            layers.Dense(2, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(x[:80], y[:80], batch_size=80, epochs=60, verbose=0)
    return model, x[80:], y[80:]


@pytest.mark.parametrize("kind", [kd.ScheduledDropout, layers.Dropout])
@pytest.mark.parametrize(("true", "objective"), [(0.1, "nll"), (0.3, "nll"), (0.2, "crps")])
def test_the_known_rate_is_found(kind: Any, true: float, objective: str) -> None:
    model = _sum(kind=kind)
    x, y = _ones(true)
    curve = kd.tune_rates(model, x, y, objective, samples=64, rates=RATES, verbose=False)
    assert curve.best == {"drop": true}
    assert model.get_layer("drop").rate == true
    assert curve.best_value == min(curve.values) <= curve.before_value
    assert curve.rates == RATES
    prediction = kd.mc_predict(model, x, samples=64, seed=0, verbose=False)
    mean, std = prediction.mean, prediction.std
    if objective == "nll":
        assert curve.values[0] == np.inf
        value = np.mean(0.5 * np.log(2 * np.pi * std**2) + 0.5 * ((y - mean) / std) ** 2)
        np.testing.assert_allclose(curve.best_value, value, rtol=1e-4, atol=0.0)


def test_noise_of_the_data_takes_the_place_of_dropout() -> None:
    x, y = _ones(0.1)
    noise = float(np.sqrt(64 * 0.1 / 0.9))
    curve = kd.tune_rates(_sum(), x, y, samples=64, rates=RATES, noise=noise, verbose=False)
    assert curve.best == {"drop": 0.0}


@pytest.mark.parametrize(
    ("kind", "objective"),
    [
        (kd.ScheduledDropout, "nll"),
        (kd.ScheduledDropout, "brier"),
        (kd.ScheduledDropout, "ece"),
        (layers.Dropout, "nll"),
    ],
)
def test_no_objective_is_worse_than_before(kind: Any, objective: str) -> None:
    model, x, y = _classes(kind)
    x, y = x[:96], y[:96]

    def value() -> float:
        prediction = kd.mc_predict(model, x, samples=8, seed=0, verbose=False)
        return kd.tuning.objectives.objective_of(objective)[1](prediction, y)

    before = value()
    off = kd.tuning.objectives.objective_of(objective)[1](
        kd.MonteCarloPrediction(np.asarray(model.predict(x, verbose=0))[None], 0), y
    )
    common = kd.tune_rates(
        model, x, y, objective, samples=8, rates=(0.0, 0.1, 0.4), set_rates=False, verbose=False
    )
    assert [row.rate for row in kd.inspect_dropout(model)] == [0.05, 0.1]
    each = kd.tune_rates(
        model, x, y, objective, samples=8, rates=(0.0, 0.1, 0.4), by_layer=True, verbose=False
    )
    np.testing.assert_allclose(common.before_value, before, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(common.values[0], off, rtol=1e-5, atol=1e-7)
    assert each.best_value <= common.best_value <= min(before, off) + 1e-6
    assert [row.rate for row in kd.inspect_dropout(model)] == list(each.best.values())
    assert set(each.by_layer) == {"one", "two"}
    if all(each.best.values()):  # layers with a rate of 0 draw nothing, which moves later masks
        np.testing.assert_allclose(value(), each.best_value, rtol=1e-5, atol=1e-7)


def test_what_no_mask_reaches_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_run.backends, "compiled", lambda function, model: function)
    model = _sum()
    x, y = _ones(rows=40)
    head, tail = model.get_layer("head"), model.get_layer("tail")
    head.calls = tail.calls = 0
    kd.tune_rates(model, x, y, samples=4, rates=RATES, batch_size=20, verbose=False)
    assert (head.calls, tail.calls) == (2, 2 * len(RATES))  # two batches


def test_layers_of_this_package_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _sum()
    x, y = _ones(rows=40)
    kd.tune_rates(model, x, y, samples=4, rates=RATES, verbose=False, set_rates=False)
    tail = model.get_layer("tail")
    tail.calls = 0
    kd.tune_rates(model, x[:32], y[:32], samples=4, rates=RATES, verbose=False)
    traced = {"tensorflow": 1, "jax": 1, "torch": len(RATES)}
    assert tail.calls == traced[keras.backend.backend()]


def test_the_curve_is_smooth_and_the_same_again() -> None:
    model = _sum()
    x, y = _ones()
    rates = tuple(np.linspace(0.05, 0.5, 10).round(3).tolist())
    made = [
        kd.tune_rates(model, x, y, samples=64, rates=rates, set_rates=False, verbose=False)
        for _ in range(2)
    ]
    assert made[0] == made[1]
    slopes = np.sign(np.diff(made[0].values))
    assert (np.diff(slopes) >= 0).all(), made[0].values  # down, then up


def test_schedules_are_set_and_can_have_the_rate_back() -> None:
    ramp = kd.schedules.LinearRamp(0.4, 0.5, 10)
    model = _sum(ramp)
    x, y = _ones()
    layer = model.get_layer("drop")
    kd.tune_rates(model, x, y, rates=RATES, set_rates=False, verbose=False)
    assert (layer.rate, layer.follows_schedule) == (0.4, True)
    curve = kd.tune_rates(model, x, y, rates=RATES, verbose=False)
    assert (layer.rate, layer.follows_schedule) == (0.1, False)
    assert curve.before == {"drop": 0.4}
    layer.rate = ramp
    assert layer.rate == 0.4


def test_a_model_trained_without_dropout_can_be_tuned() -> None:
    for kind in (kd.ScheduledDropout, layers.Dropout):
        model = _sum(0.0, kind)
        x, y = _ones()
        variables = len(model.variables)
        kd.tune_rates(model, x, y, rates=RATES, set_rates=False, verbose=False)
        assert (model.get_layer("drop").rate, len(model.variables)) == (0.0, variables)
        assert kd.tune_rates(model, x, y, rates=RATES, verbose=False).best == {"drop": 0.1}
        assert kd.mc_predict(model, x[:2], samples=3, seed=0, verbose=False).std.min() > 0.0


def test_learned_and_fixed_rates_stay() -> None:
    model = keras.Sequential(
        [
            keras.Input((4, 6)),
            kd.PatchDropout(0.25, name="patches"),
            kd.ConcreteDropout(layers.Dense(8), 0.2, name="learned"),
            layers.GaussianNoise(0.1),
            kd.ScheduledDropout(0.1, name="drop"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    x = np.random.default_rng(0).normal(size=(20, 4, 6))
    curve = kd.tune_rates(model, x, x[:, 0, :1], "rmse", samples=4, rates=RATES, verbose=False)
    assert set(curve.best) == {"drop"}
    assert (model.get_layer("patches").rate, model.get_layer("learned").rate) == (0.25, 0.2)


class Summed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.drop = kd.ScheduledDropout(0.5)
        self.sum = layers.Dense(1, kernel_initializer="ones")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.sum(self.drop(inputs, training=training))


def test_a_subclassed_model_is_tuned() -> None:
    model = Summed()
    x, y = _ones()
    model(x[:1])
    curve = kd.tune_rates(model, x, y, rates=RATES, verbose=False)
    assert list(curve.best.values()) == [0.1] == [model.drop.rate]


def test_the_curve_prints_renders_and_draws() -> None:
    model = _sum(kind=layers.Dropout)
    x, y = _ones()
    curve = kd.tune_rates(model, x, y, rates=(0.0, 0.1, 0.3), verbose=False)
    lines = str(curve).splitlines()
    assert re.fullmatch(r"rate +nll", lines[0])
    assert re.fullmatch(r"0 +inf", lines[2])
    assert re.fullmatch(r"0.1 +\d\.\d+ +best", lines[3])
    assert re.fullmatch(r"as they were +\d\.\d+", lines[-1])
    assert "<td>best</td>" in curve._repr_html_()
    axes = curve.plot()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rate", "nll")
    assert curve.plot(axes) is axes
    axes.figure.clear()
    with pytest.raises(ValueError, match=r"`ax`\. Expected None or a matplotlib Axes"):
        curve.plot(3)


def _fails(prediction: Any, y: Any) -> float:
    raise RuntimeError("no such objective")


BAD = [
    (
        {"objective": "nil"},
        ValueError,
        "`objective`. Expected one of 'nll', 'brier', 'ece', 'rmse'",
    ),
    ({"objective": lambda p, y: float("nan")}, ValueError, "lower where better (it returned nan)"),
    ({"objective": lambda p, y: "low"}, ValueError, "(it returned 'low')"),
    ({"objective": lambda p, y: float("inf")}, ValueError, "finite at one of the rates"),
    ({"objective": _fails}, RuntimeError, "no such objective"),
    ({"objective": "brier"}, ValueError, "`y`. Expected labels of classes, integers or one-hot"),
    ({"samples": 0}, ValueError, "`samples`. Expected an integer not below 1"),
    ({"rates": 0.1}, ValueError, "`rates`. Expected None, or a list of numbers from 0 to 1"),
    ({"rates": [0.0]}, ValueError, "`rates`. Expected None, or a list of numbers from 0 to 1"),
    ({"rates": [0.1, 1.5]}, ValueError, "`rates`. Expected a number from 0 to 1"),
    ({"by_layer": 1}, ValueError, "`by_layer`. Expected True or False"),
    ({"set_rates": 1}, ValueError, "`set_rates`. Expected True or False"),
    ({"seed": 0.5}, ValueError, "`seed`. Expected an integer from"),
    ({"batch_size": 0}, ValueError, "`batch_size`. Expected an integer not below 1"),
    ({"y": np.zeros((3, 1))}, ValueError, "`y`. Expected labels for the 40 rows of `x`"),
    ({"y": np.zeros((40, 2))}, ValueError, "`y`. Expected"),
    ({"y": np.array(["a"] * 40)}, ValueError, "`y`. Expected"),
    ({"noise": -1.0}, ValueError, "`noise`. Expected a finite number above 0"),
]


@pytest.mark.parametrize(("given", "kind", "message"), BAD)
def test_bad_input_leaves_the_rates(given: Any, kind: Any, message: str) -> None:
    model = _sum(kd.schedules.LinearRamp(0.4, 0.5, 10))
    x, y = _ones(rows=40)
    arguments = {"x": x, "y": y, "samples": 4, "rates": RATES, "verbose": False, **given}
    with pytest.raises(kind, match=re.escape(message)):
        kd.tune_rates(model, **arguments)
    assert model.get_layer("drop").follows_schedule


def test_bad_models() -> None:
    x, y = _ones(rows=4)
    plain = keras.Sequential([keras.Input((64,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="dropout layers whose rate can be set and is not learned"):
        kd.tune_rates(plain, x, y)
    with pytest.raises(ValueError, match=r"`model`. Expected a keras\.Model"):
        kd.tune_rates(3, x, y)


def test_logits_are_not_taken_for_probabilities() -> None:
    model, x, y = _classes()
    logits = keras.Model(model.inputs, ops.log(model.outputs[0]))
    for labels in (y, np.eye(2)[y]):
        with pytest.raises(ValueError, match=r"as_probabilities"):
            kd.tune_rates(logits, x, labels, samples=2, verbose=False)
    with pytest.raises(ValueError, match=r"`y`\. Expected"):
        kd.tune_rates(model, x, y + 1, samples=2, verbose=False)
