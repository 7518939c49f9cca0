"""Tests of VariationalDropout: the paper's noise and divergence; pruned weights are exactly 0."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts.surgery.rewrite import rewrite


def _layer(rate: float = 0.2, kl_weight: float = 1e-4) -> kd.VariationalDropout:
    dense = keras.layers.Dense(3, bias_initializer="ones")
    layer = kd.VariationalDropout(dense, rate, kl_weight, seed=1)
    layer.build((None, 4))
    return layer


def test_outputs_have_the_mean_and_variance_of_noisy_weights() -> None:
    layer, count = _layer(), 40_000
    x = np.tile(np.array([[1.0, -2.0, 0.5, 3.0]], "float32"), (count, 1))
    output = ops.convert_to_numpy(layer(x, training=True))
    kernel = layer.layer.get_weights()[0]
    alpha = 0.2 / 0.8
    variance = np.square(x[0]) @ (alpha * np.square(kernel))
    deviation = np.sqrt(variance / count)
    assert (np.abs(output.mean(0) - (x[0] @ kernel + 1)) < 5 * deviation).all()
    np.testing.assert_allclose(output.var(0), variance, rtol=5 * np.sqrt(2 / count), atol=1e-6)


def test_the_divergence_is_the_paper_s() -> None:
    layer = _layer(0.4, kl_weight=0.01)
    alpha = 0.4 / 0.6
    sigmoid = 1 / (1 + np.exp(-(1.87320 + 1.48695 * np.log(alpha))))
    negative = 0.63576 * sigmoid - 0.5 * np.log(1 + 1 / alpha) - 0.63576
    (loss,) = layer.losses
    np.testing.assert_allclose(ops.convert_to_numpy(loss), -0.01 * negative * 12, rtol=1e-3, atol=0)


def test_rate_and_sparsity() -> None:
    layer = _layer(0.2)
    np.testing.assert_allclose(layer.rate, 0.2, rtol=1e-5)
    assert layer.sparsity() == 0.0
    layer.rate = 0.99  # log alpha = 4.6
    assert layer.sparsity() == 1.0
    output = ops.convert_to_numpy(layer(np.ones((2, 4), "float32")))
    np.testing.assert_array_equal(output, np.ones((2, 3)))


def test_stripped_and_frozen_have_real_zeros() -> None:
    layer = _layer()
    log_variance = ops.convert_to_numpy(layer.log_variance).copy()
    log_variance[1] += 20.0
    layer.log_variance.assign(log_variance)
    model = keras.Sequential([keras.Input((4,)), layer])
    assert layer.sparsity() == 0.25
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    expected = ops.convert_to_numpy(model(x))
    for make in (lambda each: [each.stripped()], lambda each: each.frozen()):
        left = rewrite(model, lambda each, make=make: make(each) if each is layer else None)
        (dense,) = left.layers
        assert type(dense) is keras.layers.Dense
        np.testing.assert_array_equal(dense.get_weights()[0] == 0, log_variance > 3)
        np.testing.assert_array_equal(ops.convert_to_numpy(left(x)), expected)


def test_useless_weights_are_found() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(256, 8)).astype("float32")
    y = x[:, :2] @ np.array([[2.0], [-3.0]], "float32")  # six of eight inputs say nothing
    layer = kd.VariationalDropout(keras.layers.Dense(1), kl_weight=2e-2)
    model = keras.Sequential([keras.Input((8,)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, y, epochs=120, batch_size=256, verbose=0)
    zero = layer._zeroed()[:, 0]
    np.testing.assert_array_equal(zero, [False] * 2 + [True] * 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.0}, "Expected a number strictly between 0 and 1"),
        ({"rate": kd.schedules.LinearRamp(0.1, 0.2, 3)}, "where learning starts"),
        ({"kl_weight": 0.0}, "Invalid value for argument `kl_weight`"),
        ({"threshold": float("inf")}, "Invalid value for argument `threshold`"),
    ],
)
def test_bad_input(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.VariationalDropout(keras.layers.Dense(3), **arguments)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_what_is_zeroed_does_not_depend_on_the_compute_dtype(dtype):
    wrapped = keras.layers.Dense(64, dtype=dtype)
    layer = kd.VariationalDropout(wrapped, rate=0.9, threshold=2.0, dtype=dtype)
    x = np.random.default_rng(0).standard_normal((4, 50)).astype("float32")
    layer.build(x.shape)
    # Log alphas on both sides of the threshold, most of them within the rounding of half a kernel.
    kernel = ops.convert_to_numpy(wrapped.kernel)
    near = 2.0 + np.random.default_rng(1).uniform(-1e-3, 1e-3, kernel.shape)
    layer.log_variance.assign(near + np.log(kernel**2 + 1e-8))
    stripped = layer.stripped()
    assert 0.1 < np.mean(ops.convert_to_numpy(stripped.kernel) == 0) < 0.9
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.cast(layer(x), "float32")),
        ops.convert_to_numpy(ops.cast(stripped(x), "float32")),
    )


def test_data_size_scales_the_divergence() -> None:
    layer = kd.VariationalDropout(keras.layers.Dense(3), data_size=50)
    layer.build((None, 4))
    other = kd.VariationalDropout(keras.layers.Dense(3), kl_weight=1 / 50)
    other.build((None, 4))
    other.set_weights(layer.get_weights())
    np.testing.assert_allclose(*map(float, (*layer.losses, *other.losses)), rtol=1e-6, atol=0.0)
    again = kd.VariationalDropout.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert float(ops.convert_to_numpy(again.kl_weight)) == np.float32(1 / 50)


def _useless_zeros(rows: int) -> int:
    """Return how many of six useless weights are found after training with the factor of N rows."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(256, 8)).astype("float32")
    y = x[:, :2] @ np.array([[2.0], [-3.0]], "float32")
    y = (y + generator.normal(size=(256, 1))).astype("float32")
    keras.utils.set_random_seed(0)
    layer = kd.VariationalDropout(keras.layers.Dense(1), data_size=rows)
    model = keras.Sequential([keras.Input((8,)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, y, epochs=150, batch_size=256, verbose=0)
    return int(layer._zeroed()[2:].sum())


@pytest.mark.slow
def test_less_data_leaves_fewer_weights() -> None:
    assert _useless_zeros(25) > _useless_zeros(10**6) == 0


def test_a_layer_that_nothing_pushes_says_so_once() -> None:
    layer = kd.VariationalDropout(keras.layers.Dense(2), name="silent")
    x = np.ones((8, 4), "float32")
    layer(x)
    message = "VariationalDropout 'silent' trains with neither `data_size` nor `kl_weight`"
    with pytest.warns(UserWarning, match=message) as said:
        layer(x, training=True)
    assert len(said) == 1
    layer(x, training=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_size": 0}, "`data_size`. Expected an integer not below 1"),
        ({"data_size": 9, "kl_weight": 0.1}, "`kl_weight`. Expected None where `data_size` is"),
    ],
)
def test_bad_sizes(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kd.VariationalDropout(keras.layers.Dense(3), **arguments)
