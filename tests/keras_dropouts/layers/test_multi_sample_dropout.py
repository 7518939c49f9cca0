"""Tests that MultiSampleDropout is the mean of its head over several masks of the input."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def test_the_output_is_the_mean_over_masks() -> None:
    head = keras.layers.Dense(5, use_bias=False, kernel_initializer="identity")
    layer = kd.MultiSampleDropout(head, 0.5, samples=4, seed=1)
    output = ops.convert_to_numpy(layer(np.ones((200, 5), "float32"), training=True))
    # Each of four masks adds 0 or 2, over 4.
    np.testing.assert_allclose(np.unique(output.round(5)), [0, 0.5, 1, 1.5, 2], rtol=1e-6)
    assert abs(output.mean() - 1) < 5 / np.sqrt(4000)


def test_one_set_of_weights() -> None:
    layer = kd.MultiSampleDropout(keras.layers.Dense(5), 0.5, samples=4)
    layer(np.ones((2, 3), "float32"))
    assert len(layer.trainable_weights) == 2


def test_a_head_of_several_layers() -> None:
    head = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    layer = kd.MultiSampleDropout(head, 0.5)
    x = np.ones((2, 3), "float32")
    assert tuple(layer(x, training=True).shape) == (2, 2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(head(x)), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("samples", [0, -1, 1.5, "2", True])
def test_bad_samples(samples: object) -> None:
    with pytest.raises(ValueError, match="Invalid value for argument `samples`"):
        kd.MultiSampleDropout(keras.layers.Dense(1), 0.5, samples=samples)
