"""Layers that drop at inference, as a training=True is written in the model, are told apart."""

from __future__ import annotations

import re
from typing import Any

import keras
import pytest

import keras_dropouts as kd


class AlwaysOn(keras.layers.Layer):
    """A layer of a user's that tells its dropout to train."""

    def __init__(self, drop: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop = drop

    def call(self, x: Any) -> Any:
        return self.drop(x, training=True)


class AlwaysDropout(keras.layers.Dropout):
    """The Monte-Carlo dropout of many a tutorial."""

    def call(self, inputs: Any) -> Any:
        return super().call(inputs, training=True)


class AlwaysScheduled(kd.ScheduledDropout):
    """The same of a layer of this package."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return super().call(inputs, training=True)


class Subclassed(keras.Model):
    """A model of a user's."""

    def __init__(self, training: Any) -> None:
        super().__init__()
        self.first = keras.layers.Dropout(0.25, name="first")
        self.second = keras.layers.Dropout(0.5, name="second")
        self.told = training

    def call(self, x: Any, training: Any = None) -> Any:
        return self.second(self.first(x, training=training), training=self.told)


def _sequential(layer: Any, shape: tuple[int, ...] = (4,)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), layer, keras.layers.Dropout(0.125, name="off")])


def _baked(layer: Any, shape: tuple[int, ...] = (4,)) -> keras.Model:
    inputs = keras.Input(shape)
    x = layer(inputs, training=True)
    return keras.Model(inputs, keras.layers.Dropout(0.125, name="off")(x))


def _inner() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((3, 4)),
            keras.layers.LSTM(4, dropout=0.2, name="lstm"),
            kd.ScheduledDropout(0.5, name="ours"),
        ],
        name="inner",
    )


def _attention() -> keras.Model:
    inputs = keras.Input((3, 4))
    attend = keras.layers.MultiHeadAttention(1, 2, dropout=0.5, name="attend")
    return keras.Model(inputs, attend(inputs, inputs, training=True))


def _subclassed(training: Any) -> keras.Model:
    model = Subclassed(training)
    model(keras.ops.ones((2, 4)))
    return model


CASES = {
    "a call": (lambda: _sequential(AlwaysOn(keras.layers.Dropout(0.5), name="it")), {"it/dropout"}),
    "ours": (lambda: _sequential(AlwaysOn(kd.DropPath(0.5, name="path"), name="it")), {"it/path"}),
    "a subclass": (lambda: _sequential(AlwaysDropout(0.5, name="it")), {"it"}),
    "a subclass of ours": (lambda: _sequential(AlwaysScheduled(0.5, name="it")), {"it"}),
    "a graph": (lambda: _baked(keras.layers.Dropout(0.5, name="it")), {"it"}),
    "recurrent": (
        lambda: _baked(keras.layers.GRU(2, dropout=0.5, name="gru"), (3, 4)),
        {"gru/gru_cell"},
    ),
    "nested": (lambda: _baked(_inner(), (3, 4)), {"inner/lstm/lstm_cell", "inner/ours"}),
    "attention": (_attention, {"attend"}),
    "a subclassed model": (lambda: _subclassed(True), {"second"}),
}


@pytest.mark.parametrize(("make", "expected"), CASES.values(), ids=CASES)
def test_what_is_always_on_is_shown(make: Any, expected: set[str]) -> None:
    model = make()
    before = [each.numpy() for each in model.variables] if keras.config.backend() != "jax" else []
    table = kd.inspect_dropout(model)
    assert {re.sub(r"_\d+", "", row.path) for row in table if row.always_on} == expected
    assert "always on" in str(table).splitlines()[0]
    after = [each.numpy() for each in model.variables] if before else []
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda: _sequential(keras.layers.Dropout(0.5)),
        lambda: _inner(),
        lambda: _baked(keras.layers.Dropout(0.0)),
        lambda: _subclassed(None),
        lambda: Subclassed(True),  # not built: nothing is known of its calls
        lambda: _sequential(keras.layers.Lambda(lambda x: keras.random.dropout(x, 0.5))),
    ],
    ids=["Keras", "recurrent", "rate 0", "subclassed", "not built", "Lambda"],
)
def test_what_trains_alone_is_not_always_on(make: Any) -> None:
    table = kd.inspect_dropout(make())
    assert not any(row.always_on for row in table)
    assert "always on" not in str(table)
