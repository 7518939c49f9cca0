"""Tests that PatchDropout keeps a random subset of tokens, in order, each with the same chance."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _tokens(batch: int, count: int) -> np.ndarray:
    return np.broadcast_to(np.arange(count, dtype="float32")[None, :, None], (batch, count, 2))


def test_a_subset_in_order_with_the_prefix() -> None:
    layer = kd.PatchDropout(0.5, prefix=2, seed=1)
    output = ops.convert_to_numpy(layer(_tokens(400, 12), training=True))[..., 0]
    assert output.shape == (400, 2 + 5)
    assert (np.diff(output, axis=1) > 0).all()
    np.testing.assert_array_equal(output[:, :2], np.tile([0.0, 1.0], (400, 1)))
    counts = np.bincount(output[:, 2:].astype(int).ravel(), minlength=12)[2:]
    assert np.abs(counts / 400 - 0.5).max() < 5 * np.sqrt(0.25 / 400)
    assert len(np.unique(output, axis=0)) > 100


def test_it_is_the_identity_otherwise() -> None:
    x = _tokens(2, 5)
    np.testing.assert_array_equal(ops.convert_to_numpy(kd.PatchDropout(0.5)(x)), x)


def test_at_least_one_token_stays() -> None:
    assert kd.PatchDropout(0.99).kept(10) == 1
    assert kd.PatchDropout(0.0, prefix=1).kept(10) == 10


def test_the_mask_follows_the_tokens() -> None:
    x = np.array(_tokens(3, 6)) + 1.0
    x[:, 3:] = 0.0
    masked = keras.layers.Masking()(x)
    output = kd.PatchDropout(0.5, seed=1)(masked, training=True)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(output._keras_mask), ops.convert_to_numpy(output)[..., 0] > 0
    )


def test_attention_after_it_trains_on_fewer_tokens() -> None:
    inputs = keras.Input((9, 4))
    x = kd.PatchDropout(0.5, prefix=1)(inputs)
    x = x + keras.layers.MultiHeadAttention(2, 2)(x, x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x[:, 0]))
    model.compile("sgd", "mse")
    history = model.fit(np.ones((4, 9, 4)), np.ones((4, 1)), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.predict(np.ones((4, 9, 4)), verbose=0).shape == (4, 1)


def test_the_rate_cannot_change() -> None:
    layer = kd.PatchDropout(0.5)
    with pytest.raises(ValueError, match="Make a new layer; `replace_dropout` puts it into"):
        layer.rate = 0.25
    layer.rate = 0.5


@pytest.mark.parametrize("rate", [1.0, kd.schedules.LinearRamp(0.0, 0.5, 10)])
def test_rates_it_cannot_have(rate: Any) -> None:
    with pytest.raises(ValueError, match="Expected a number from 0 to 1, 1 not included"):
        kd.PatchDropout(rate)


@pytest.mark.parametrize("shape", [(2, 3), (2, None, 3), (2, 1, 3)])
def test_other_inputs_are_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match="with more than 1 tokens, their number known"):
        kd.PatchDropout(0.5, prefix=1).build(shape)
