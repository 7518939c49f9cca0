"""Tests that VariationalRNN has one mask for all time steps, on inputs and on states."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _run(layer: Any, x: np.ndarray, **kwargs: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(layer(x, **kwargs)))


def test_inputs_have_one_mask_for_all_steps() -> None:
    rnn = keras.layers.SimpleRNN(
        4,
        activation=None,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
        return_sequences=True,
    )
    layer = kd.VariationalRNN(rnn, 0.5, recurrent_rate=0.0, seed=1)
    output = _run(layer, np.ones((50, 7, 4), "float32"), training=True)
    np.testing.assert_array_equal(output, np.repeat(output[:, :1], 7, axis=1))
    np.testing.assert_allclose(np.unique(output), [0.0, 2.0], rtol=1e-6)


def test_states_have_one_mask_for_all_steps() -> None:
    rnn = keras.layers.SimpleRNN(
        4,
        activation=None,
        kernel_initializer="identity",
        recurrent_initializer="identity",
        return_sequences=True,
    )
    layer = kd.VariationalRNN(rnn, 0.0, recurrent_rate=0.5, seed=1)
    output = _run(layer, np.ones((50, 5, 4), "float32"), training=True)
    # h_t = 1 + m * h_(t-1): a unit whose mask is 0 stays at 1, the others double and add 1.
    doubling = np.array([1, 3, 7, 15, 31], "float32")
    kept = output[:, 1] > 1
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(
        output, np.where(kept[:, None], doubling[:, None], 1.0), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU])
def test_gated_cells_mask_what_meets_the_recurrent_weights(kind: Any) -> None:
    rnn = kind(3, return_sequences=True)
    layer = kd.VariationalRNN(rnn, 0.0, recurrent_rate=1.0, seed=1)
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    output = _run(layer, x, training=True)
    weights = rnn.get_weights()
    silent = kind(3, return_sequences=True)
    silent.build(x.shape)
    silent.set_weights([weights[0], np.zeros_like(weights[1]), *weights[2:]])
    np.testing.assert_allclose(output, _run(silent, x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_run(layer, x), _run(rnn, x), rtol=0, atol=0)


def test_masks_and_states_pass() -> None:
    layer = kd.VariationalRNN(keras.layers.LSTM(3, return_sequences=True, return_state=True), 0.0)
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    mask = np.array([[True, True, False, False], [True] * 4])
    state = [np.ones((2, 3), "float32")] * 2
    trained = layer(x, mask=mask, initial_state=state, training=True)
    plain = layer.layer(x, mask=mask, initial_state=state)
    for ours, theirs in zip(trained, plain, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-6
        )


def test_bidirectional_layers_take_it() -> None:
    inputs = keras.Input((4, 3))
    forward = kd.VariationalRNN(keras.layers.GRU(2), 0.5)(inputs)
    backward = kd.VariationalRNN(keras.layers.GRU(2, go_backwards=True), 0.5)(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([forward, backward]))
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 4, 3)), np.ones((2, 4)), verbose=0)


@pytest.mark.parametrize("wrapper", [kd.VariationalRNN, kd.Zoneout])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_a_bare_cell_is_what_its_layer_is(wrapper: Any, kind: str, tmp_path: Any) -> None:
    x = np.random.default_rng(2).standard_normal((3, 5, 4)).astype("float32")
    keras.utils.set_random_seed(1)
    whole = wrapper(getattr(keras.layers, kind)(6, return_sequences=True), 0.4, seed=7)
    cell = getattr(keras.layers, f"{kind}Cell")(6)
    bare = wrapper(keras.layers.RNN(cell, return_sequences=True), 0.4, seed=7, name="bare")
    expected = [_run(whole, x, training=flag) for flag in (True, False)]
    model = keras.Sequential([keras.Input((5, 4)), bare])
    bare.layer.set_weights(whole.layer.get_weights())
    for flag, values in zip((True, False), expected, strict=True):
        np.testing.assert_allclose(_run(bare, x, training=flag), values, rtol=0, atol=1e-6)
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(_run(loaded, x), _run(model, x))


@pytest.mark.parametrize("wrapper", [kd.VariationalRNN, kd.Zoneout])
def test_bad_input(wrapper: Any) -> None:
    with pytest.raises(ValueError, match="Expected one of these layers: LSTM, GRU, SimpleRNN"):
        wrapper(keras.layers.Dense(2), 0.5)
    stacked = keras.layers.RNN([keras.layers.LSTMCell(2), keras.layers.LSTMCell(2)])
    for other_cell in (stacked, keras.layers.ConvLSTM2D(2, 3)):
        with pytest.raises(ValueError, match="one of these cells: LSTMCell, GRUCell"):
            wrapper(other_cell, 0.5)
    with pytest.raises(ValueError, match=r"Expected a layer with recurrent_dropout=0"):
        wrapper(keras.layers.LSTM(2, recurrent_dropout=0.1), 0.5)
    other = {"recurrent_rate": 2} if wrapper is kd.VariationalRNN else {"cell_rate": 2}
    with pytest.raises(ValueError, match=f"Invalid value for argument `{next(iter(other))}`"):
        wrapper(keras.layers.LSTM(2), 0.5, **other)
