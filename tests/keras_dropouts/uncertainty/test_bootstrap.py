"""Tests of the bootstrap's intervals: their coverage, their seed, and rows that belong together."""

import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.uncertainty.bootstrap import intervals, means


def drawn(rows, seed):
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(3) / 2, rows)
    return p, (p.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)


def test_every_figure_has_an_interval_that_the_seed_decides():
    p, y = drawn(80, 0)
    one = kd.uncertainty.evaluate(p, y, bootstrap=30)
    assert one.intervals.keys() == one.figures.keys()
    assert one == kd.uncertainty.evaluate(p, y, bootstrap=30, seed=0)
    assert one.intervals != kd.uncertainty.evaluate(p, y, bootstrap=30, seed=1).intervals
    assert all(low <= high for low, high in one.intervals.values())
    narrow = kd.uncertainty.evaluate(p, y, bootstrap=30, level=0.5).intervals["nll"]
    assert one.intervals["nll"][0] < narrow[0] < narrow[1] < one.intervals["nll"][1]


def test_intervals_hold_the_true_figure_as_often_as_they_say():
    inside = 0
    for seed in range(200):
        x = np.random.default_rng(seed).exponential(size=150)

        def mean(weights, x=x):
            return means({"mean": x}, weights)

        low, high = intervals(mean, 150, None, replicates=200, level=0.8, seed=seed)["mean"]
        inside += low <= 1.0 <= high
    # 4 standard deviations of 200 draws, and what 200 replicates and the skew of x miss
    assert abs(inside / 200 - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 200) + 0.02


def test_the_interval_of_a_mean_is_the_normal_one():
    x = np.random.default_rng(5).normal(size=400)
    found = intervals(
        lambda weights: {"mean": float(x @ weights / weights.sum())},
        400,
        None,
        replicates=4000,
        level=0.95,
        seed=3,
    )["mean"]
    half = 1.96 * x.std() / 20
    np.testing.assert_allclose(found, [x.mean() - half, x.mean() + half], rtol=0, atol=0.01)


def test_pixels_of_an_image_are_drawn_together():
    p, y = drawn(40, 1)
    images, labels = np.repeat(p[:, None], 9, axis=1), np.repeat(y[:, None], 9, axis=1)
    pixels = kd.uncertainty.evaluate(images, labels, bootstrap=50)
    rows = kd.uncertainty.evaluate(p, y, bootstrap=50)
    for name in ("accuracy", "nll", "brier"):
        np.testing.assert_allclose(
            pixels.intervals[name], rows.intervals[name], rtol=1e-9, atol=1e-12
        )


def test_rows_that_a_mask_leaves_out_are_not_drawn():
    p, y = drawn(40, 2)
    mask = np.arange(40) % 2 == 0
    found = kd.uncertainty.evaluate(p, y, mask=mask, bootstrap=50)
    assert found == kd.uncertainty.evaluate(p[mask], y[mask], bootstrap=50)


@pytest.mark.parametrize("shape", [(1,), (1, 7)])
def test_a_single_row_has_no_interval(shape):
    p, y = np.full((*shape, 2), 0.5), np.zeros(shape, int)
    assert kd.uncertainty.evaluate(p, y).figures["accuracy"] == 1.0
    with pytest.raises(ValueError, match=r"`bootstrap`\. Expected 0 where the data have a single"):
        kd.uncertainty.evaluate(p, y, bootstrap=10)


def test_infinite_intervals_of_an_artifact_stay_infinite():
    outputs = {
        "y": np.zeros(4),
        "y_lower": np.full(4, -1.0),
        "y_upper": np.array([1, 1, 1, np.inf]),
    }
    report = kd.uncertainty.evaluate(outputs, np.zeros(4) + 0.5, bootstrap=40)
    assert report.intervals["interval_coverage"] == (1.0, 1.0)
    assert report.intervals["interval_width"] == (2.0, np.inf)
    assert '"interval_width": {\n    "value": null,\n    "low": 2.0,' in report.to_json()
    assert "interval width" in str(report)
