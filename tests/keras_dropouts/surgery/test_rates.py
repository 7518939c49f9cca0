"""Tests which rates each form of set_rates reaches, and that a compiled step uses them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.LSTM(4, dropout=0.1, return_sequences=True, name="lstm"),
            kd.ScheduledDropout(0.2, name="ours"),
            keras.layers.Dropout(0.0, name="keras"),
            keras.layers.GaussianNoise(0.5, name="noise"),
            keras.layers.Dense(1, name="head"),
        ]
    )


def _rates(model: Any) -> dict[str, float]:
    return {f"{row.path}:{row.layer}": row.rate for row in kd.inspect_dropout(model)}


BEFORE = {
    "lstm/lstm_cell:LSTMCell(dropout=)": 0.1,
    "lstm/lstm_cell:LSTMCell(recurrent_dropout=)": 0.0,
    "ours:ScheduledDropout": 0.2,
    "keras:Dropout": 0.0,
    "noise:GaussianNoise(stddev=)": 0.5,
}


@pytest.mark.parametrize(
    ("rate", "changed"),
    [
        (
            0.4,
            {
                "lstm/lstm_cell:LSTMCell(dropout=)": 0.4,
                "ours:ScheduledDropout": 0.4,
                "keras:Dropout": 0.4,
            },
        ),
        (
            {"ours": 0.3, "lstm/lstm_cell/recurrent_dropout": 0.6},
            {"ours:ScheduledDropout": 0.3, "lstm/lstm_cell:LSTMCell(recurrent_dropout=)": 0.6},
        ),
        ({"ScheduledDropout": 0.9, "ours": 0.3}, {"ours:ScheduledDropout": 0.3}),
        ({"Dropout": 1.0}, {"keras:Dropout": 1.0}),
        (lambda layer: 0.7 if layer.name == "keras" else None, {"keras:Dropout": 0.7}),
    ],
)
def test_what_is_set(rate: Any, changed: dict[str, float]) -> None:
    model = _model()
    assert _rates(model) == BEFORE
    kd.set_rates(model, rate)
    assert _rates(model) == BEFORE | changed


@pytest.mark.parametrize("name", ["ours", "keras"])
def test_a_compiled_step_sees_it(name: str) -> None:
    model = _model()
    model.get_layer("head").set_weights([np.ones((4, 1)), np.zeros(1)])
    model.get_layer("lstm").trainable = False  # at a rate of 1 it gets no gradient
    model.compile(keras.optimizers.SGD(0.0), loss=lambda y, z: ops.mean(ops.square(z)))
    x, y = np.ones((8, 4, 3)), np.zeros((8, 4, 1))
    kd.set_rates(model, 0.0)
    assert model.fit(x, y, verbose=0).history["loss"][0] > 0
    kd.set_rates(model, {name: 1.0})
    model.get_layer("noise").stddev = 0.0
    model.train_function = None
    if name == "keras" and not _keras_drops_at_rate_1():
        with pytest.raises(ValueError, match=r"rate=1\.0"):
            model.fit(x, y, verbose=0)
    else:
        assert model.fit(x, y, verbose=0).history["loss"] == [0.0]


def _keras_drops_at_rate_1() -> bool:
    """Return whether Keras's own dropout takes a rate of 1, which older ones refuse."""
    try:
        keras.random.dropout(ops.ones(2), 1.0)
    except ValueError:
        return False
    return True


def test_attention_draws_at_the_new_rate() -> None:
    inputs = keras.Input((5, 4))
    layer = keras.layers.MultiHeadAttention(2, 4, dropout=0.0, name="attention")
    model = keras.Model(inputs, layer(inputs, inputs))
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    before = ops.convert_to_numpy(model(x, training=True))
    kd.set_rates(model, {"attention/dropout": 0.5})
    after = ops.convert_to_numpy(model(x, training=True))
    assert not np.allclose(before, after, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (1.5, "Invalid value for argument `rate`. Expected a number from 0 to 1"),
        (float("nan"), "Invalid value for argument `rate`"),
        ("0.5", "Expected a number in \\[0, 1\\], a dict of them or a function of the layer"),
        ({"nothing": 0.5}, "Expected paths or classes out of: .*ours, keras"),
        ({"ours": 0.5, "keras": 2.0}, "Invalid value for argument `rate`"),
        (lambda layer: "half", "Invalid value for argument `rate`"),
    ],
)
def test_bad_rates_change_nothing(rate: Any, message: str) -> None:
    model = _model()
    with pytest.raises(ValueError, match=message):
        kd.set_rates(model, rate)
    assert _rates(model) == BEFORE


def test_a_model_without_rates_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected a model with dropout layers"):
        kd.set_rates(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), 0.5)
    with pytest.raises(ValueError, match=r"Expected a keras.Model"):
        kd.set_rates(keras.layers.Dropout(0.5), 0.5)


def test_rates_of_keras_are_set_in_the_middle_of_fit() -> None:
    drop = keras.layers.Dropout(0.0)
    dense = keras.layers.Dense(4, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((4,)), dense, drop])
    model.compile(keras.optimizers.SGD(0.0), "mse")

    def after_one(epoch: int, logs: Any) -> None:
        if epoch == 1:
            kd.set_rates(model, 1.0 - 2.0**-10)

    history = model.fit(
        np.ones((8, 4)),
        np.ones((8, 4)),
        epochs=3,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=after_one)],
    ).history
    assert history["loss"][0] == 0.0
    assert min(history["loss"][1:]) > 0.5
