"""Tests that DropConnect drops entries of the kernel for one call and leaves it as it is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def test_each_weight_is_0_or_scaled() -> None:
    dense = keras.layers.Dense(30, bias_initializer="ones")
    layer = kd.DropConnect(dense, 0.25, seed=1)
    eye = np.eye(20, dtype="float32")  # its output is the kernel
    kernel = ops.convert_to_numpy(layer(eye)) - 1
    dropped = ops.convert_to_numpy(layer(eye, training=True)) - 1
    gone = np.abs(dropped) < 1e-7
    assert 0.15 < gone.mean() < 0.35
    np.testing.assert_allclose(dropped[~gone], kernel[~gone] / 0.75, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(eye)) - 1, kernel, rtol=0, atol=0)


def test_the_whole_batch_has_one_mask() -> None:
    layer = kd.DropConnect(keras.layers.Dense(6), 0.5, seed=1)
    output = ops.convert_to_numpy(layer(np.ones((5, 4), "float32"), training=True))
    np.testing.assert_allclose(output, np.repeat(output[:1], 5, axis=0), rtol=1e-6, atol=1e-7)


def test_dropped_weights_get_no_gradient() -> None:
    layer = kd.DropConnect(keras.layers.Dense(6, use_bias=False), 0.5, seed=1)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y, z: ops.sum(z, axis=-1))
    before = layer.layer.get_weights()[0]
    model.train_on_batch(np.ones((1, 4)), np.zeros((1, 6)))
    change = layer.layer.get_weights()[0] - before
    np.testing.assert_allclose(np.unique(change.round(5)), [-2.0, 0.0], rtol=1e-5, atol=1e-5)


def test_an_error_inside_leaves_the_kernel_in_place() -> None:
    layer = kd.DropConnect(keras.layers.Dense(6), 0.5, seed=1)
    layer(np.ones((1, 4), "float32"))
    kernel = layer.layer._kernel
    with pytest.raises(Exception, match=r"."):
        layer(np.ones((1, 5), "float32"), training=True)
    assert layer.layer._kernel is kernel


@pytest.mark.parametrize("layer", [keras.layers.LSTM(3), keras.layers.ReLU(), 3, None])
def test_other_layers_are_refused(layer: Any) -> None:
    with pytest.raises(ValueError, match="Expected one of these layers: Dense, EinsumDense, Conv"):
        kd.DropConnect(layer, 0.5)
