"""Tests conformal prediction by pixel, by number along the last axis, and beside hard zeros."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
from keras_dropouts.uncertainty.served_decisions import from_json, to_json

uncertainty = kd.uncertainty


@pytest.fixture(scope="module")
def maps():
    """Probabilities of four classes for 12 maps of 6 x 5 pixels, and their classes."""
    random = np.random.default_rng(0)
    p = random.dirichlet([1.0] * 4, (12, 6, 5))
    return p, random.integers(0, 4, (12, 6, 5))


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_pixels_that_are_left_out_do_not_count(method, maps):
    p, y = maps
    keep = np.random.default_rng(1).random(y.shape) < 0.7
    wanted = uncertainty.conformal(p[keep], y=y[keep], method=method)
    masked = uncertainty.conformal(p, y=y, method=method, mask=keep)
    marked = np.where(keep, y, 255)
    ignored = uncertainty.conformal(p, y=marked, method=method, ignore_label=255)
    assert wanted.thresholds == masked.thresholds == ignored.thresholds
    assert masked.rows == keep.sum()
    assert masked(p).shape == (12, 6, 5, 4)
    np.testing.assert_array_equal(masked(p)[keep], wanted(p[keep]))


@pytest.mark.parametrize("method", ["absolute", "scaled"])
def test_each_number_along_the_last_axis_has_an_interval_of_its_own(method):
    random = np.random.default_rng(2)
    mean, std = random.normal(size=(400, 2)), random.uniform(0.5, 2.0, (400, 2))
    y = mean + std * random.normal(size=(400, 2)) * [1.0, 50.0]
    options = {"std": std} if method == "scaled" else {}
    both = uncertainty.conformal(mean, y=y, method=method, coverage=0.8, **options)
    low, high = both(mean, std=std)
    inside = ((low <= y) & (y <= high)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.8, rtol=0.0, atol=0.01)
    for unit in (0, 1):
        part = slice(unit, unit + 1)
        given = {name: x[:, part] for name, x in options.items()}
        one = uncertainty.conformal(
            mean[:, part], y=y[:, part], method=method, coverage=0.8, **given
        )
        assert one.threshold == pytest.approx(both.threshold[unit], rel=1e-12)
    again = from_json(json.dumps(json.loads(to_json([both]))))[0]
    np.testing.assert_array_equal(again(mean, std=std), both(mean, std=std))
    with pytest.raises(ValueError, match="this one is for 2 units"):
        both(mean[:, :1], std=std[:, :1])


def test_numbers_that_a_mask_leaves_out_do_not_count():
    random = np.random.default_rng(3)
    mean, y = random.normal(size=(100, 1)), random.normal(size=100)
    keep = np.arange(100) >= 40
    wanted = uncertainty.conformal(mean[keep], y=y[keep])
    y[:40] = np.nan
    assert uncertainty.conformal(mean, y=y, mask=keep).threshold == wanted.threshold
    ends = np.concatenate([mean - 1.0, mean + 1.0], axis=1)
    quantiles = uncertainty.conformal(ends[keep], y=y[keep], method="quantile")
    masked = uncertainty.conformal(ends, y=y, method="quantile", mask=keep)
    assert masked.threshold == quantiles.threshold


def test_a_row_without_a_spread_is_no_obstacle():
    random = np.random.default_rng(4)
    mean, y = random.normal(size=(200, 1)), random.normal(size=(200, 1))
    std = random.uniform(0.5, 2.0, (200, 1))
    std[:3] = 0.0
    found = uncertainty.conformal(mean, y=y, method="scaled", std=std)
    assert found.floor == pytest.approx(1e-6 * np.median(std), rel=1e-12)
    low, high = found(mean, std=std)
    assert np.all(high > low)
    assert np.mean((low <= y) & (y <= high)) >= 0.9
    with pytest.raises(ValueError, match="half of them or more are 0"):
        uncertainty.conformal(mean, y=y, method="scaled", std=std * (np.arange(200) < 90)[:, None])


def test_small_probabilities_are_compared_in_float32_as_in_float64():
    """Of an overconfident model 1 - p of the threshold is 1 in float32: all classes would be in."""
    random = np.random.default_rng(5)
    p = keras.ops.softmax(40.0 * random.normal(size=(2000, 5)).astype("float32"), axis=-1)
    p = keras.ops.convert_to_numpy(p)
    y = np.where(random.random(2000) < 0.98, p.argmax(axis=1), np.argsort(p, axis=1)[:, -2])
    found = uncertainty.conformal(p, y=y, coverage=0.99)
    assert 1.0 - found.thresholds[0] < 1e-6
    wanted = found(p)
    got = found.served(keras.ops.convert_to_tensor(p), xp=keras.ops)["set"]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(got), wanted)
    assert wanted.sum(axis=1).mean() < 4.0
    assert wanted[np.arange(2000), y].mean() >= 0.99  # the row that is the threshold is in


def test_labels_of_one_class_are_refused(maps):
    p = maps[0][:, 0, 0]
    for method in ("temperature", "vector", "isotonic"):
        with pytest.raises(ValueError, match=r"at least two classes.*class 2 alone"):
            uncertainty.calibrate(p, y=np.full(12, 2), method=method)
    with pytest.raises(ValueError, match="at least two classes"):
        uncertainty.conformal(p, y=np.full(12, 2), coverage=0.5)


@pytest.mark.parametrize("within", [False, True])
def test_no_temperature_is_found_where_every_row_is_right(within):
    p = 0.8 * np.eye(3)[np.arange(30) % 3] + 0.2 / 3
    given = kd.MonteCarloPrediction(np.stack([p, p]), seed=0) if within else p
    with pytest.raises(ValueError, match="no temperature above 0 is the best"):
        uncertainty.calibrate(given, y=np.arange(30) % 3, within=within)


def test_a_temperature_for_samples_says_so():
    random = np.random.default_rng(6)
    samples = random.dirichlet([1.0] * 3, (4, 300))
    y = random.integers(0, 3, 300)
    prediction = kd.MonteCarloPrediction(samples, seed=0)
    found = uncertainty.calibrate(prediction, y=y, within=True)
    assert found.within
    assert not uncertainty.calibrate(prediction, y=y).within
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(found))
    assert again.within
    assert again.temperature == found.temperature
    with pytest.raises(ValueError, match=r"found with within=True.*Put it at the end of the model"):
        found.for_samples(4)


def test_quantiles_of_a_model_with_dropout_are_those_of_the_mean():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(7).normal(size=(80, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.3), layers.Dense(2)])
    found = uncertainty.conformal(model, x, x[:, 0], method="quantile", samples=5, seed=2)
    prediction = kd.mc_predict(model, x, 5, seed=2, verbose=False)
    wanted = uncertainty.conformal(prediction, y=x[:, 0], method="quantile")
    assert found.threshold == pytest.approx(wanted.threshold, rel=1e-6)
    assert found.samples == wanted.samples == 5
