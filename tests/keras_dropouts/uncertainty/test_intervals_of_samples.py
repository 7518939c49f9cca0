"""Tests of intervals that are scaled by the deviation, called on a prediction with samples."""

import numpy as np

import keras_dropouts as kd


def test_samples_have_the_deviation_that_scales() -> None:
    random = np.random.default_rng(0)
    prediction = kd.MonteCarloPrediction(random.normal(size=(8, 100, 1)), seed=0)
    found = kd.uncertainty.conformal(prediction, y=random.normal(size=(100, 1)), method="scaled")
    lower, upper = found(prediction)
    again = found(prediction.mean, prediction.std)
    np.testing.assert_allclose((lower, upper), again, rtol=1e-12, atol=1e-12)
    widths = (upper - lower) / prediction.std
    np.testing.assert_allclose(widths, np.full_like(widths, widths[0, 0]), rtol=1e-9, atol=1e-12)
