"""Layers of others that put another dimension first before they draw: rows keep their own masks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd


class TimeFirst(layers.Layer):
    """A user's layer that puts time steps before rows, drops, and puts them back."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = layers.Dropout(0.5)

    def call(self, x: Any, training: Any = None) -> Any:
        swapped = ops.transpose(x, [1, 0, 2])
        return ops.transpose(self.dropout(swapped, training=training), [1, 0, 2])


class TimeStaysFirst(TimeFirst):
    """The same, whose output has the time steps first; the next layer puts them back."""

    def call(self, x: Any, training: Any = None) -> Any:
        return self.dropout(ops.transpose(x, [1, 0, 2]), training=training)


class Back(layers.Layer):
    """Puts the rows first again."""

    def call(self, x: Any) -> Any:
        return ops.transpose(x, [1, 0, 2])


def model(length: int | None, stays: bool) -> keras.Model:
    inputs = keras.Input((length, 4))
    x = layers.Dense(4, kernel_initializer="identity")(inputs)
    x = Back()(TimeStaysFirst()(x)) if stays else TimeFirst()(x)
    return keras.Model(inputs, layers.Dropout(0.25)(x))


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("length", [None, 12])
def test_a_row_has_its_masks_whatever_is_beside_it(length: int | None, stays: bool) -> None:
    net = model(length, stays)
    x = np.random.default_rng(0).uniform(1.0, 2.0, (5, 12, 4)).astype("float32")
    seeds = np.array([5, -3, 5, 2**40, 7])
    x[2] = x[0]

    def samples(rows: Any) -> np.ndarray:
        return kd.mc_predict(net, x[rows], samples=3, row_seeds=seeds[rows]).samples

    every = samples(np.arange(5))
    np.testing.assert_array_equal(every[:, 0], every[:, 2])
    assert not np.array_equal(every[:, 0] == 0, every[:, 1] == 0)
    for rows in ([1], [4, 1], [3, 0, 2]):
        np.testing.assert_array_equal(samples(np.array(rows)) == 0, every[:, rows] == 0)
    dropped = (every == 0).mean()
    wanted = 1.0 - 0.5 * 0.75
    assert abs(dropped - wanted) < 5 * (wanted * (1 - wanted) / every.size) ** 0.5
    # Time steps of a row do not share their masks.
    assert not np.array_equal(every[:, :, 0] == 0, every[:, :, 1] == 0)
