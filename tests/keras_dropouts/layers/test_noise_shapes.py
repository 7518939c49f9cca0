"""Tests which units share a decision in ScheduledDropout, SpatialDropout and DropPath."""

import re

import keras
import numpy as np
import pytest

import keras_dropouts as kd


def run(layer, x):
    return keras.ops.convert_to_numpy(layer(x, training=True))


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.1, 0.3, 0.5, 0.9, 1.0])
def test_values_are_zero_or_scaled_exactly(rate):
    x = np.random.default_rng(0).normal(size=(37, 129)).astype("float32")
    y = run(kd.ScheduledDropout(rate, seed=1), x)
    scale = np.float32(1.0) / (np.float32(1.0) - np.float32(rate)) if rate < 1.0 else 0.0
    np.testing.assert_allclose(y, np.where(y == 0.0, 0.0, x * scale), rtol=2e-7, atol=0.0)


@pytest.mark.parametrize("rate", [1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5, 0.77, 0.999])
def test_realised_rate_over_many_steps(rate):
    layer = kd.ScheduledDropout(rate, seed=3)
    x = np.ones((2000, 1000), "float32")
    drops = [np.count_nonzero(run(layer, x) == 0.0) for _ in range(5)]
    total = 5 * x.size
    bound = 5.0 * np.sqrt(rate * (1.0 - rate) / total)
    assert abs(np.sum(drops) / total - rate) < bound, (np.sum(drops) / total, rate, bound)


def test_rates_finer_than_16_bits_are_dropped_in_the_mean():
    # 1e-5 * 65536 is 0.655: a fixed threshold would drop nothing, or half as much again.
    layer, x = kd.ScheduledDropout(1e-5, seed=0), np.ones((1000, 1000), "float32")
    drops = [np.count_nonzero(run(layer, x) == 0.0) for _ in range(30)]
    assert np.mean(drops) == pytest.approx(10.0, rel=0.0, abs=5.0 * np.sqrt(10.0 / 30))


def test_noise_shape_shares_a_decision_over_time():
    y = run(kd.ScheduledDropout(0.5, noise_shape=(None, 1, None), seed=1), np.ones((8, 5, 40)))
    assert (y == y[:, :1]).all()
    assert 0.0 < (y == 0.0).mean() < 1.0


def test_noise_shape_with_sizes():
    y = run(kd.ScheduledDropout(0.5, noise_shape=(8, 1, 40), seed=1), np.ones((8, 5, 40)))
    assert (y == y[:, :1]).all()


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [3, 4, 5, 6])
def test_spatial_dropout_drops_whole_channels(rank, data_format):
    spatial = (3, 4, 2, 2)[: rank - 2]
    first = data_format == "channels_first"
    shape = (50, 20, *spatial) if first else (50, *spatial, 20)
    layer = kd.SpatialDropout(0.3, data_format=data_format, seed=2)
    drop = run(layer, np.ones(shape, "float32")) == 0.0
    axes = tuple(range(2, rank)) if first else tuple(range(1, rank - 1))
    assert (drop.all(axis=axes) == drop.any(axis=axes)).all()
    assert abs(drop.mean() - 0.3) < 5.0 * np.sqrt(0.3 * 0.7 / 1000)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_drop_path_drops_whole_samples(rank):
    drop = run(kd.DropPath(0.25, seed=2), np.ones((4000, *(3,) * (rank - 1)), "float32")) == 0.0
    flat = drop.reshape(4000, -1)
    assert (flat.all(axis=1) == flat.any(axis=1)).all()
    assert abs(flat.mean() - 0.25) < 5.0 * np.sqrt(0.25 * 0.75 / 4000)


def test_depth_rates_rise_linearly():
    np.testing.assert_allclose(kd.depth_rates(4, 0.2), [0.05, 0.1, 0.15, 0.2], rtol=1e-12, atol=0)
    assert kd.depth_rates(1, 0.3) == [0.3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kd.depth_rates(0, 0.1), "`n`. Expected an integer not below 1. Received: n=0"),
        (lambda: kd.depth_rates(2.5, 0.1), "Received: n=2.5"),
        (lambda: kd.depth_rates(2, 1.5), "`rate`. Expected a number from 0 to 1"),
        (
            lambda: kd.ScheduledDropout(0.1, noise_shape=3),
            "`noise_shape`. Expected None, or a tuple",
        ),
        (lambda: kd.ScheduledDropout(0.1, noise_shape="ab"), "Received: noise_shape='ab'"),
        (lambda: kd.ScheduledDropout(0.1, noise_shape=(0, 1)), "Received: noise_shape=(0, 1)"),
        (lambda: kd.ScheduledDropout(0.1, noise_shape=(1.0,)), "Received: noise_shape=(1.0,)"),
        (lambda: kd.SpatialDropout(0.1, data_format="x"), "`data_format`. Expected one of"),
        (
            lambda: kd.SpatialDropout(0.1)(np.ones((2, 3), "float32")),
            "`inputs`. Expected a tensor of rank 3 or more. Received: inputs=(2, 3)",
        ),
        (
            lambda: run(kd.ScheduledDropout(0.1, noise_shape=(None, 1)), np.ones((2, 3, 4))),
            "`noise_shape`. Expected a tuple of 3, one for each dimension of the input",
        ),
        (lambda: kd.SpatialDropout(0.1).frozen(), "`layer`. Expected a built layer"),
        (lambda: kd.DropPath(0.1).frozen(), "`layer`. Expected a built layer"),
        (
            lambda: run(kd.ScheduledDropout(0.1), np.ones((2, 3), "int32")),
            "`inputs`. Expected floats, as",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("rate", [-0.1, 1.01, float("nan"), float("inf"), True, "0.5", None, [0.5]])
@pytest.mark.parametrize("kind", [kd.ScheduledDropout, kd.SpatialDropout, kd.DropPath])
def test_bad_rates(kind, rate):
    with pytest.raises(ValueError, match="Invalid value for argument `rate`"):
        kind(rate)
    layer = kind(0.25)
    with pytest.raises(ValueError, match="Invalid value for argument `rate`"):
        layer.rate = rate
    assert layer.rate == 0.25


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, 2**63, [1]])
def test_bad_seeds(seed):
    with pytest.raises(ValueError, match=r"`seed`. Expected None or an integer from 0 to 2\*\*63"):
        kd.ScheduledDropout(0.5, seed=seed)
