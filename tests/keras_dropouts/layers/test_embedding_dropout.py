"""Tests that EmbeddingDropout drops a word wherever it occurs in a sequence."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def test_words_are_dropped_as_a_whole_and_everywhere() -> None:
    layer = kd.EmbeddingDropout(keras.layers.Embedding(50, 4), 0.4, seed=2)
    tokens = np.random.default_rng(0).integers(0, 50, (16, 30))
    plain = ops.convert_to_numpy(layer(tokens))
    output = ops.convert_to_numpy(layer(tokens, training=True))
    for word in range(50):
        rows, expected = output[tokens == word], plain[tokens == word]
        gone = not rows.any()
        np.testing.assert_allclose(rows, expected * (0 if gone else 1 / 0.6), rtol=1e-6, atol=0)
    share = np.mean([not output[tokens == word].any() for word in range(50)])
    assert abs(share - 0.4) < 5 * np.sqrt(0.24 / 50)


def test_the_mask_of_the_padding_passes() -> None:
    layer = kd.EmbeddingDropout(keras.layers.Embedding(5, 4, mask_zero=True), 0.4)
    output = layer(np.array([[1, 2, 0]]), training=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(output._keras_mask), [[True, True, False]])


def test_large_token_numbers_survive_mixed_precision() -> None:
    embedding = keras.layers.Embedding(1001, 2, dtype="mixed_bfloat16")
    layer = kd.EmbeddingDropout(embedding, 0.0, dtype="mixed_bfloat16")
    tokens = np.array([[999, 1000]])
    trained = ops.convert_to_numpy(ops.cast(layer(tokens, training=True), "float32"))
    assert (trained[0, 0] != trained[0, 1]).any()


def test_other_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected one of these layers: Embedding"):
        kd.EmbeddingDropout(keras.layers.Dense(3), 0.5)
