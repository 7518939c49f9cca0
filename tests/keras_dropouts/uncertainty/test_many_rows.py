"""Tests that a million rows are evaluated in memory that is bounded, and that chunks are one."""

import tracemalloc

import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.uncertainty import scores
from keras_dropouts.uncertainty.given_prediction import read
from keras_dropouts.uncertainty.regression import samples_crps


@pytest.mark.slow
def test_a_million_rows_take_a_few_times_the_memory_of_their_probabilities():
    random = np.random.default_rng(0)
    p = random.random((1_000_000, 10), "float32")
    p /= p.sum(axis=1, keepdims=True)
    y = random.integers(0, 10, len(p))
    tracemalloc.start()
    report = kd.uncertainty.evaluate(p, y)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.rows == 1_000_000
    assert most < 5 * 8 * p.size  # of float64
    assert abs(report.figures["accuracy"] - 0.1) < 4 * np.sqrt(0.09 / 1e6)


@pytest.mark.slow
def test_samples_of_many_rows_are_not_made_float64_as_a_whole():
    random = np.random.default_rng(1)
    samples = random.random((16, 100_000, 10), "float32")
    samples /= samples.sum(axis=-1, keepdims=True)
    prediction = kd.MonteCarloPrediction(samples, seed=1)
    y = random.integers(0, 10, 100_000)
    tracemalloc.start()
    kd.uncertainty.evaluate(prediction, y)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.5 * samples.nbytes


def test_no_size_of_a_chunk_changes_a_figure(monkeypatch):
    samples = np.random.default_rng(2).dirichlet(np.ones(3), (4, 50))
    y = np.arange(50) % 3
    prediction = kd.MonteCarloPrediction(samples, seed=1)
    wanted = kd.uncertainty.evaluate(prediction, y)
    for size in (1, 40, 100):
        monkeypatch.setattr(scores, "_AT_ONCE", size)
        assert kd.uncertainty.evaluate(prediction, y) == wanted
    values = samples[..., 0]
    whole = samples_crps(values, np.zeros(50))
    monkeypatch.setattr("keras_dropouts.uncertainty.regression._AT_ONCE", 28)
    np.testing.assert_array_equal(samples_crps(values, np.zeros(50)), whole)
    assert read(prediction).mean.shape == (50, 3)
