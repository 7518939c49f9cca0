"""Tests of DropKey and DropHead: which keys are attended to, and which heads are kept."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _even(heads: int = 1) -> Any:
    attention = keras.layers.MultiHeadAttention(heads, 6, use_bias=False)
    attention.build((2, 6, 6), (2, 6, 6))
    eye = np.eye(6, dtype="float32")
    attention.set_weights(
        [
            np.zeros((6, heads, 6)),  # queries: every key has the same score
            np.zeros((6, heads, 6)),
            np.tile(eye[:, None], (1, heads, 1)),
            np.tile(eye[None], (heads, 1, 1)),
        ]
    )
    return attention


X = np.tile(np.eye(6, dtype="float32"), (40, 1, 1))  # the output is the attention weights


def test_hidden_keys_have_no_weight_and_the_others_sum_to_1() -> None:
    weights = ops.convert_to_numpy(kd.DropKey(_even(), 0.5, seed=1)(X, X, training=True))
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
    seen = weights > 1e-6
    np.testing.assert_allclose(weights, seen / seen.sum(-1, keepdims=True), rtol=1e-5, atol=1e-6)
    # A query that would see none of its six keys, 2**-6 of the time, sees all.
    expected = 0.5 + 0.5**6
    assert abs(seen.mean() - expected) < 5 * np.sqrt(0.25 / seen.size)


def test_masks_of_the_caller_hold() -> None:
    layer = kd.DropKey(_even(), 0.5, seed=1)
    mask = np.zeros((40, 6, 6), bool)
    mask[:, :, 2:4] = True
    weights = ops.convert_to_numpy(layer(X, X, attention_mask=mask, training=True))
    assert weights[~mask].max() < 1e-6
    causal = ops.convert_to_numpy(layer(X, X, use_causal_mask=True, training=True))
    assert np.triu(causal[0], 1).max() < 1e-6
    np.testing.assert_allclose(causal.sum(-1), 1.0, rtol=1e-5)


def test_padding_holds() -> None:
    layer = kd.DropKey(_even(), 0.5, seed=1)
    padded = X.copy()
    padded[:, 4:] = 0.0
    masked = keras.layers.Masking()(padded)
    weights = ops.convert_to_numpy(layer(masked, masked, training=True))
    np.testing.assert_allclose(weights[:, :4].sum(-1), 1.0, rtol=1e-5)
    plain = kd.DropKey(_even(), 0.0)
    np.testing.assert_allclose(
        ops.convert_to_numpy(plain(*[keras.layers.Masking()(padded)] * 2, training=True)),
        ops.convert_to_numpy(plain(*[keras.layers.Masking()(padded)] * 2)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_at_rate_1_every_key_is_seen() -> None:
    weights = ops.convert_to_numpy(kd.DropKey(_even(), 1.0)(X, X, training=True))
    np.testing.assert_allclose(weights, 1 / 6, rtol=1e-5)


def test_heads_are_dropped_as_a_whole() -> None:
    heads = 4
    output = ops.convert_to_numpy(kd.DropHead(_even(heads), 0.25, seed=1)(X, X, training=True))
    # Each kept head adds 1/6 / 0.75 to every entry of a sample.
    kept = output * 6 * 0.75
    np.testing.assert_allclose(kept, kept.round(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(kept, kept[:, :1, :1] * np.ones((1, 6, 6)), rtol=0, atol=1e-4)
    assert len(np.unique(kept.round())) > 1
    assert abs(kept.mean() / heads - 0.75) < 5 * np.sqrt(0.1875 / (40 * heads))


@pytest.mark.parametrize("wrapper", [kd.DropKey, kd.DropHead])
def test_cross_attention_in_a_model(wrapper: Any) -> None:
    query, value = keras.Input((3, 4)), keras.Input((5, 4))
    output = wrapper(keras.layers.MultiHeadAttention(2, 3), 0.5)(query, value)
    assert output.shape == (None, 3, 4)
    model = keras.Model([query, value], output)
    model.compile("sgd", "mse")
    x = [np.ones((2, 3, 4)), np.ones((2, 5, 4))]
    assert np.isfinite(model.fit(x, np.ones((2, 3, 4)), verbose=0).history["loss"]).all()


@pytest.mark.parametrize("wrapper", [kd.DropKey, kd.DropHead])
def test_other_layers_are_refused(wrapper: Any) -> None:
    expected = "Expected one of these layers: MultiHeadAttention, GroupedQueryAttention"
    with pytest.raises(ValueError, match=expected):
        wrapper(keras.layers.Dense(3), 0.5)
