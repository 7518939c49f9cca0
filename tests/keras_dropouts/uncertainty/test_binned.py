"""Tests of calibration errors: bins, ties, weights, bias, and figures that are known."""

import numpy as np
import pytest

from keras_dropouts.uncertainty.binned import (
    ClasswiseBins,
    Reliability,
    equal_mass,
    equal_width,
)
from keras_dropouts.uncertainty.selective import Ranking


def mass_bins(confidence, bins):
    return equal_mass(Ranking(confidence, np.ones(len(confidence))).less_certain(), bins)


def test_bins_of_equal_width_hold_their_upper_end():
    found = equal_width(np.array([0.0, 1e-9, 0.1, 0.25, 0.2500001, 0.5, 0.99, 1.0, 1.0001]), 4)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 1, 1, 3, 3, 3])


def test_bins_of_equal_mass_hold_as_many_rows_and_keep_ties_together():
    confidence = np.random.default_rng(0).permutation(60) / 60
    np.testing.assert_array_equal(np.bincount(mass_bins(confidence, 15)), np.full(15, 4))
    tied = np.array([0.1, 0.5, 0.5, 0.5, 0.9, 0.95])
    np.testing.assert_array_equal(mass_bins(tied, 3), [0, 0, 0, 0, 2, 2])
    np.testing.assert_array_equal(mass_bins(np.full(7, 0.3), 5), np.zeros(7))
    np.testing.assert_array_equal(mass_bins(np.array([0.3]), 15), [0])


def test_the_errors_of_two_bins_are_those_by_hand():
    confidence = np.array([0.2, 0.4, 0.6, 0.8])
    right = np.array([1.0, 0.0, 1.0, 1.0])
    found = Reliability.of(equal_width(confidence, 2), 2, confidence, right)
    np.testing.assert_allclose(found.confidence, [0.3, 0.7], rtol=1e-12, atol=0)
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0], rtol=1e-12, atol=0)
    assert found.expected() == pytest.approx(0.25, rel=1e-12)
    assert found.maximum() == pytest.approx(0.3, rel=1e-12)
    # (0.2^2 - 0.25) and (0.3^2 - 0), half of the rows each
    assert found.debiased() == 0.0
    sure = Reliability.of(equal_width(confidence, 2), 2, confidence, np.ones(4))
    assert sure.debiased() == pytest.approx(np.sqrt((0.7**2 + 0.3**2) / 2), rel=1e-12)


def test_a_weight_is_a_row_that_is_there_as_often():
    random = np.random.default_rng(1)
    confidence, right = random.random(50), random.integers(0, 2, 50).astype("float64")
    weights = random.integers(0, 3, 50)
    index = equal_width(confidence, 10)
    found = Reliability.of(index, 10, confidence, right, weights.astype("float64"))
    often = [np.repeat(x, weights) for x in (index, confidence, right)]
    wanted = Reliability.of(often[0], 10, *often[1:])
    for name in ("expected", "maximum", "debiased"):
        np.testing.assert_allclose(
            getattr(found, name)(), getattr(wanted, name)(), rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize("weighed", [False, True])
def test_the_classwise_error_is_that_of_a_loop(weighed):
    random = np.random.default_rng(2)
    p = random.dirichlet(np.ones(4), 90)
    labels = random.integers(0, 4, 90)
    weights = random.integers(0, 3, 90).astype("float64") if weighed else np.ones(90)
    wanted = 0.0
    for number in range(4):
        index = equal_width(p[:, number], 7)
        for each in range(7):
            gap = (p[:, number] - (labels == number))[index == each]
            wanted += abs(np.sum(gap * weights[index == each])) / weights.sum() / 4
    bins = ClasswiseBins(p, labels, 7)
    for _ in range(2):  # the second one takes what the first has kept
        found = bins.error(weights if weighed else None)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=0)


def test_of_a_calibrated_net_the_debiased_error_is_near_zero_where_the_plain_one_is_not():
    random = np.random.default_rng(3)
    plain, squares = [], []
    for _ in range(200):
        confidence = random.uniform(0.5, 1.0, 300)
        right = (random.random(300) < confidence).astype("float64")
        found = Reliability.of(mass_bins(confidence, 15), 15, confidence, right)
        plain.append(found.expected())
        spread = found.accuracy * (1 - found.accuracy) / (found.counts - 1)
        squares.append((found.gaps**2 - spread) @ found.shares)
    assert np.mean(plain) > 0.06
    # Unbiased but for what confidence varies within a bin, (1/30)^2 / 12 / 20 at most.
    error = np.std(squares) / np.sqrt(200)
    assert abs(np.mean(squares)) < 4 * error + 1e-4
