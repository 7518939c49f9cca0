"""Tests that a model with other dropout is compiled as the one that it was made from."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd

WAYS = {
    "replace_dropout": lambda model: kd.replace_dropout(
        model, lambda layer: kd.ScheduledDropout(layer.rate)
    ),
    "add_dropout": lambda model: kd.add_dropout(
        model, lambda layer: kd.ScheduledDropout(0.1) if layer.name == "first" else None
    ),
}


def model_of(**compiled: Any) -> keras.Model:
    inputs = keras.Input((6,))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(5, name="first")(inputs))
    outputs = {"a": keras.layers.Dense(1, name="a")(x), "b": keras.layers.Dense(1, name="b")(x)}
    model = keras.Model(inputs, outputs)
    if compiled:
        model.compile(**compiled)
    return model


def data() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    return x, {"a": x[:, :1], "b": x[:, 1:2]}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_compiled_as_the_model_is(way: str) -> None:
    optimizer = keras.optimizers.AdamW(0.25, weight_decay=0.125)
    loss = {"a": "mse", "b": keras.losses.Huber(0.5)}
    given = {"loss": loss, "loss_weights": {"a": 2.0, "b": 0.5}, "metrics": {"a": ["mae"]}}
    model = model_of(optimizer=optimizer, **given)
    x, y = data()
    model.fit(x, y, verbose=0)
    optimizer.learning_rate = 0.0625  # as a schedule or a callback leaves it
    new = WAYS[way](model)
    assert new.compiled
    assert isinstance(new.optimizer, keras.optimizers.AdamW)
    assert new.optimizer is not model.optimizer
    assert float(ops.convert_to_numpy(new.optimizer.learning_rate)) == 0.0625
    assert new.optimizer.weight_decay == 0.125
    assert int(ops.convert_to_numpy(new.optimizer.iterations)) == 0
    wanted = model.evaluate(x, y, verbose=0, return_dict=True)
    got = new.evaluate(x, y, verbose=0, return_dict=True)
    assert got == pytest.approx(wanted, rel=1e-5)
    assert "a_mae" in got
    before = [ops.convert_to_numpy(each) for each in model.weights]
    new.fit(x, y, verbose=0)
    assert int(ops.convert_to_numpy(new.optimizer.iterations)) == 1
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


@pytest.mark.parametrize("way", WAYS)
def test_one_that_is_not_compiled_stays_so(way: str) -> None:
    assert not WAYS[way](model_of()).compiled


@pytest.mark.parametrize("way", WAYS)
def test_a_loss_may_be_any_function(way: str) -> None:
    model = model_of(
        optimizer="sgd", loss={"a": lambda y, z: ops.mean(ops.square(y - z)), "b": "mse"}
    )
    x, y = data()
    new = WAYS[way](model)
    assert new.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_a_metric_that_cannot_be_made_again_is_said(way: str) -> None:
    metrics = {"a": [lambda y, z: ops.mean(ops.abs(y - z))]}
    model = model_of(optimizer="sgd", loss="mse", metrics=metrics)
    with pytest.warns(UserWarning, match="is not compiled, as what model .* Call `compile`"):
        new = WAYS[way](model)
    assert not new.compiled
    assert model.compiled
    new.compile("sgd", "mse")
    new.fit(*data(), verbose=0)
