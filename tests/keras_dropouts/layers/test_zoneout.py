"""Tests that Zoneout keeps units' previous values, and takes the expected value at inference."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _counter() -> Any:
    """Return a recurrent layer whose units count up by 1 each step."""
    return keras.layers.SimpleRNN(
        4,
        activation=None,
        kernel_initializer="identity",
        recurrent_initializer="identity",
        return_sequences=True,
    )


def test_each_unit_stays_or_moves_by_its_own_draw_at_each_step() -> None:
    layer = kd.Zoneout(_counter(), 0.25, seed=1)
    output = ops.convert_to_numpy(layer(np.ones((60, 8, 4), "float32"), training=True))
    steps = np.diff(np.concatenate([np.zeros((60, 1, 4)), output], axis=1), axis=1)
    np.testing.assert_array_equal(np.unique(steps), [0.0, 1.0])
    stay = 1 - steps.mean()
    assert abs(stay - 0.25) < 5 * np.sqrt(0.1875 / steps.size)
    # Draws of different steps are independent.
    correlation = np.corrcoef(steps[:, 0].ravel(), steps[:, 1].ravel())[0, 1]
    assert abs(correlation) < 5 / np.sqrt(steps[:, 0].size)


def test_the_mean_stands_in_when_not_training() -> None:
    layer = kd.Zoneout(_counter(), 0.25)
    output = ops.convert_to_numpy(layer(np.ones((2, 3, 4), "float32")))
    expected = 0.75 * np.arange(1, 4)
    np.testing.assert_allclose(output[0, :, 0], expected, rtol=1e-6, atol=0)


def test_the_lstm_s_carry_has_a_rate_of_its_own() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    state = [np.full((2, 4), 0.5, "float32"), np.full((2, 4), 0.25, "float32")]
    rnn = keras.layers.LSTM(4, return_state=True)
    layer = kd.Zoneout(rnn, 0.0, cell_rate=1.0)
    for training in (False, True):
        _, _, carry = layer(x, initial_state=state, training=training)
        np.testing.assert_allclose(ops.convert_to_numpy(carry), 0.25, rtol=1e-6, atol=0)
    layer = kd.Zoneout(rnn, 1.0, cell_rate=0.0)
    for training in (False, True):
        _, hidden, _ = layer(x, initial_state=state, training=training)
        np.testing.assert_allclose(ops.convert_to_numpy(hidden), 0.5, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN])
def test_at_rate_0_it_is_the_layer_with_masks_and_backwards(kind: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    mask = np.array([[True, True, True, False, False], [True] * 5])
    rnn = kind(4, go_backwards=True, return_sequences=True)
    layer = kd.Zoneout(rnn, 0.0, seed=1)
    plain = ops.convert_to_numpy(rnn(x, mask=mask))
    for training in (False, True):
        output = ops.convert_to_numpy(layer(x, mask=mask, training=training))
        np.testing.assert_allclose(output, plain, rtol=1e-5, atol=1e-6)


def test_stripped_has_no_random_state_and_saves(tmp_path: Any) -> None:
    stripped = kd.Zoneout(keras.layers.GRU(4), 0.3, name="zone").stripped()
    assert type(stripped) is kd.ExpectedZoneout
    assert stripped.rates == (0.3, 0.3)
    model = keras.Sequential([keras.Input((5, 3)), stripped])
    assert not any("zone/" in variable.path for variable in model.non_trainable_variables)
    model.save(tmp_path / "model.keras")
    x = np.ones((2, 5, 3), "float32")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(ops.convert_to_numpy(again(x)), ops.convert_to_numpy(model(x)))
