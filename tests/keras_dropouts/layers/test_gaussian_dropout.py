"""Tests that GaussianDropout's noise is normal with dropout's mean and variance."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_noise_has_the_mean_and_variance_of_dropout(rate: float) -> None:
    count = 200_000
    x = np.full((count,), 2.0, "float32")
    noise = ops.convert_to_numpy(kd.GaussianDropout(rate, seed=1)(x, training=True)) / 2.0
    variance = rate / (1 - rate)
    # Five standard deviations of a mean, and of a variance, of `count` normal numbers.
    np.testing.assert_allclose(noise.mean(), 1.0, rtol=0, atol=5 * np.sqrt(variance / count))
    np.testing.assert_allclose(noise.var(), variance, rtol=5 * np.sqrt(2 / count), atol=0)
    fourth = np.mean(((noise - 1) / np.sqrt(variance)) ** 4)
    np.testing.assert_allclose(fourth, 3.0, rtol=0, atol=5 * np.sqrt(96 / count))


def test_frozen_is_keras_layer() -> None:
    (frozen,) = kd.GaussianDropout(0.25, name="noise", seed=4).frozen()
    assert type(frozen) is keras.layers.GaussianDropout
    assert (frozen.rate, frozen.name, frozen.seed) == (0.25, "noise", 4)


def test_frozen_at_rate_1_is_ours_as_keras_cannot_compute_it() -> None:
    (frozen,) = kd.GaussianDropout(1.0).frozen()
    assert type(frozen) is kd.GaussianDropout
