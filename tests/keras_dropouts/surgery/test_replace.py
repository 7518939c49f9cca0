"""Tests of inspect_dropout, replace_dropout and add_dropout: what they show, change and keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def _sequential() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, name="first"),
            keras.layers.Dropout(0.3, name="drop"),
            keras.layers.Dense(2, name="last"),
        ]
    )


def _functional() -> keras.Model:
    inputs = keras.Input((6,), name="in")
    inner = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(5), kd.ScheduledDropout(0.1, name="ours")],
        name="inner",
    )
    x = keras.layers.Dense(5, name="first")(inputs)
    x = x + inner(keras.layers.Dropout(0.2, name="drop")(x))
    return keras.Model(inputs, {"y": keras.layers.Dense(1, name="last")(x)})


def _numpy(value: Any) -> Any:
    return keras.tree.map_structure(lambda x: np.asarray(ops.convert_to_numpy(x)), value)


def _same(model: Any, other: Any) -> None:
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6),
        _numpy(model(_x())),
        _numpy(other(_x())),
    )


@keras.saving.register_keras_serializable(package="keras_dropouts_tests")
class Block(keras.layers.Layer):
    """A layer of a user's that holds dropouts in an attribute, a list and a dict."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(6)
        self.drop = keras.layers.Dropout(0.5)
        self.more = [keras.layers.Dropout(0.25), keras.layers.Dense(6)]
        self.by_name = {"noise": keras.layers.GaussianDropout(0.125)}

    def build(self, shape: Any) -> None:
        self.dense.build(shape)
        self.more[1].build(shape)

    def call(self, x: Any) -> Any:
        x = self.more[0](self.drop(self.dense(x)))
        return self.by_name["noise"](self.more[1](x))


def test_inspect_lists_every_rate() -> None:
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.LSTM(4, dropout=0.1, return_sequences=True, name="lstm"),
            kd.ScheduledDropout(kd.schedules.LinearRamp(0.25, 0.5, 10), name="ramp"),
            kd.ConcreteDropout(keras.layers.Dense(2), rate=0.2, name="learned"),
        ]
    )
    table = kd.inspect_dropout(model)
    rows = {(row.path, row.layer): row for row in table}
    assert rows[("lstm/lstm_cell", "LSTMCell(dropout=)")].rate == 0.1
    assert rows[("ramp", "ScheduledDropout")].rate == 0.25
    assert "LinearRamp" in rows[("ramp", "ScheduledDropout")].schedule
    assert rows[("learned", "ConcreteDropout")].learned
    assert str(table).splitlines()[0].split() == [
        "path",
        "layer",
        "rate",
        "now",
        "schedule",
        "learned",
    ]
    assert str(kd.inspect_dropout(keras.Sequential([keras.Input((2,))]))) == "no dropout"


def test_inspect_refuses_what_is_no_model() -> None:
    with pytest.raises(ValueError, match="Invalid value for argument `model`"):
        kd.inspect_dropout(keras.layers.Dropout(0.1))


@pytest.mark.parametrize("make", [_sequential, _functional])
def test_replace_puts_in_layers_and_keeps_weights(make: Any) -> None:
    model = make()
    new = kd.replace_dropout(
        model, lambda layer: kd.ScheduledDropout(layer.rate, name=f"{layer.name}_new")
    )
    rates = [row.rate for row in kd.inspect_dropout(model)]
    assert [row.rate for row in kd.inspect_dropout(new)] == rates
    assert all(row.path.endswith("_new") for row in kd.inspect_dropout(new))
    assert not any(row.path.endswith("_new") for row in kd.inspect_dropout(model))
    assert type(new) is type(model)
    _same(model, new)


def test_replace_none_keeps_a_layer() -> None:
    new = kd.replace_dropout(_functional(), lambda layer: None)
    assert [row.path for row in kd.inspect_dropout(new)] == ["drop", "inner/ours"]


def test_replace_reaches_into_custom_layers() -> None:
    model = keras.Sequential([keras.Input((6,)), Block(name="block")])
    new = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(layer.rate))
    block = new.get_layer("block")
    assert isinstance(block.drop, kd.ScheduledDropout)
    assert isinstance(block.more[0], kd.ScheduledDropout)
    assert isinstance(block.by_name["noise"], kd.ScheduledDropout)
    assert sorted(row.rate for row in kd.inspect_dropout(new)) == [0.125, 0.25, 0.5]
    _same(model, new)
    kd.set_rates(new, 1.0)
    bias_free = _numpy(new(_x(), training=True))
    np.testing.assert_array_equal(bias_free, np.zeros_like(bias_free))
    assert isinstance(model.get_layer("block").drop, keras.layers.Dropout)


def test_a_replaced_model_trains_saves_and_loads(tmp_path: Path) -> None:
    new = kd.replace_dropout(_sequential(), lambda layer: kd.ScheduledDropout(layer.rate))
    new.compile("sgd", "mse")
    new.fit(_x(), np.ones((4, 2)), verbose=0)
    new.save(tmp_path / "new.keras")
    _same(new, keras.saving.load_model(tmp_path / "new.keras"))


@pytest.mark.parametrize("make", [_sequential, _functional])
def test_add_puts_dropout_after_layers(make: Any) -> None:
    model = make()
    new = kd.add_dropout(
        model,
        lambda layer: (
            kd.ScheduledDropout(0.4, name=f"after_{layer.name}")
            if isinstance(layer, keras.layers.Dense)
            else None
        ),
    )
    added = [row for row in kd.inspect_dropout(new) if "after_" in row.path]
    dense = [x for x in model._flatten_layers() if isinstance(x, keras.layers.Dense)]
    assert len(added) == len(dense)
    assert len(kd.inspect_dropout(new)) == len(kd.inspect_dropout(model)) + len(dense)
    assert {"after_first", "after_last"} <= {row.path for row in added}
    _same(model, new)


def test_add_wraps_a_layer_with_its_weights() -> None:
    model = _functional()
    new = kd.add_dropout(
        model,
        lambda layer: kd.ConcreteDropout(layer, rate=0.2) if layer.name == "last" else None,
    )
    (row,) = [row for row in kd.inspect_dropout(new) if row.learned]
    assert row.rate == 0.2
    _same(model, new)
    assert len(model.get_layer("last").weights) == 2
    wrapper = next(x for x in new._flatten_layers() if isinstance(x, kd.ConcreteDropout))
    assert wrapper.layer is not model.get_layer("last")


@pytest.mark.parametrize("surgery", [kd.replace_dropout, kd.add_dropout])
def test_bad_input(surgery: Any) -> None:
    model = _sequential()
    with pytest.raises(ValueError, match="Invalid value for argument `model`"):
        surgery("model", lambda layer: None)
    with pytest.raises(ValueError, match="argument `function`"):
        surgery(model, 3)
    for bad in (3, kd.ScheduledDropout, model.layers[0], model.layers[1]):
        with pytest.raises(ValueError, match="a function that returns a new layer for"):
            surgery(model, lambda layer, bad=bad: bad)
    with pytest.raises(ValueError, match="Expected a built model"):
        surgery(keras.Sequential([keras.layers.Dropout(0.5)]), lambda layer: None)
