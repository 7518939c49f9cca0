"""replace_dropout inside layers of users: each dropout layer is replaced, or said to stay."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd


class Holder(layers.Layer):
    """Holds dropout in every way that Keras tracks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._private = layers.Dropout(0.5)
        self.__mangled = layers.Dropout(0.5)
        self._several = [layers.Dropout(0.5), {"inner": layers.Dropout(0.5)}]
        self._twice = self._again = layers.Dropout(0.5)
        self._sequential = keras.Sequential([layers.Dense(6), layers.Dropout(0.5)])
        self._each = layers.TimeDistributed(layers.Dropout(0.5))
        self._deeper = Deeper()

    def build(self, shape: Any) -> None:
        self._sequential.build(shape)
        self._deeper.build(shape)

    def call(self, x: Any) -> Any:
        x = self.__mangled(self._private(x))
        x = self._several[1]["inner"](self._several[0](x))
        x = self._again(self._twice(self._sequential(x)))
        return self._deeper(self._each(x))


class Deeper(layers.Layer):
    """A layer of a user's inside another."""

    def __init__(self) -> None:
        super().__init__()
        self._drop = layers.Dropout(0.5)
        self._dense = layers.Dense(6)

    def build(self, shape: Any) -> None:
        self._dense.build(shape)

    def call(self, x: Any) -> Any:
        return self._drop(self._dense(x))


def _model() -> keras.Model:
    return keras.Sequential([keras.Input((4, 6)), Holder(name="holder")])


def _x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")


def test_every_attribute_is_replaced() -> None:
    model = _model()
    asked: list[str] = []

    def new(layer: Any) -> Any:
        asked.append(layer.name)
        return kd.ScheduledDropout(layer.rate, name=f"new_{len(asked)}")

    replaced = kd.replace_dropout(model, new)
    rows = kd.inspect_dropout(replaced)
    assert {row.layer for row in rows} == {"ScheduledDropout"}
    assert len(rows) == len(kd.inspect_dropout(model)) == len(asked) == 8
    holder = replaced.get_layer("holder")
    assert holder._twice is holder._again
    np.testing.assert_allclose(
        ops.convert_to_numpy(replaced(_x())),
        ops.convert_to_numpy(model(_x())),
        rtol=1e-6,
        atol=1e-6,
    )
    kd.set_rates(replaced, 0.0)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(replaced(_x(), training=True)), ops.convert_to_numpy(replaced(_x()))
    )
    # Each of them is the one that the layer calls.
    for row in rows:
        kd.set_rates(replaced, {row.path: 1.0})
        dropped = ops.convert_to_numpy(replaced(_x(), training=True))
        assert not np.array_equal(dropped, ops.convert_to_numpy(replaced(_x()))), row.path
        kd.set_rates(replaced, 0.0)
    assert {row.layer for row in kd.inspect_dropout(model)} == {"Dropout"}


def test_a_replaced_model_trains() -> None:
    replaced = kd.replace_dropout(_model(), lambda layer: kd.ScheduledDropout(layer.rate))
    replaced.compile("sgd", "mse")
    replaced.fit(_x(), np.zeros((3, 4, 6)), epochs=2, verbose=0)
    steps = [
        part.step for part in replaced._flatten_layers() if isinstance(part, kd.ScheduledDropout)
    ]
    assert len(steps) == 8
    assert min(steps) >= 2


def test_arguments_that_stay_are_said() -> None:
    inputs = keras.Input((4, 6))
    attend = layers.MultiHeadAttention(1, 2, dropout=0.25, name="attend")
    x = layers.LSTM(3, recurrent_dropout=0.125, name="lstm")(attend(inputs, inputs))
    model = keras.Model(inputs, layers.Dropout(0.5, name="drop")(x))
    with pytest.warns(UserWarning, match="no layer can replace them and they stay") as caught:
        new = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(layer.rate))
    (warning,) = [each for each in caught if "they stay" in str(each.message)]
    assert "'attend' (MultiHeadAttention, dropout=0.25)" in str(warning.message)
    assert "'lstm/lstm_cell' (LSTMCell, recurrent_dropout=0.125)" in str(warning.message)
    assert "'drop'" not in str(warning.message)
    assert warning.filename == __file__
    assert "ScheduledDropout" in {row.layer for row in kd.inspect_dropout(new)}


def test_dropout_in_time_distributed_is_asked_for_itself() -> None:
    each = layers.TimeDistributed(layers.Dropout(0.5), name="each")
    model = keras.Sequential([keras.Input((4, 6)), each])
    new = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(layer.rate))
    assert [row.layer for row in kd.inspect_dropout(new)] == ["ScheduledDropout"]
    assert isinstance(new.layers[0], layers.TimeDistributed)


def test_what_the_function_keeps_is_not_said() -> None:
    new = kd.replace_dropout(_model(), lambda layer: None)  # warnings are errors
    assert len(kd.inspect_dropout(new)) == 8


def test_all_of_bart() -> None:
    pytest.importorskip("keras_hub")
    from tests import zoo_hub

    model = zoo_hub.ZOO["hub_Bart"]()
    with pytest.warns(UserWarning, match="no layer can replace them and they stay") as caught:
        new = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(layer.rate))
    said = "".join(str(each.message) for each in caught)
    rows = kd.inspect_dropout(new)
    assert len(rows) == len(kd.inspect_dropout(model))
    stay = [row for row in rows if row.layer != "ScheduledDropout"]
    assert len(stay) == 6
    assert all(f"'{row.path}'" in said and "MultiHeadAttention" in row.layer for row in stay)
