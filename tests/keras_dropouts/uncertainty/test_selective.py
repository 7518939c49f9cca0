"""Tests of selective prediction: the areas against loops, ties, weights, and the ends of curves."""

import numpy as np
import pytest

from keras_dropouts.uncertainty.selective import Ranking


def drawn(seed, rows=200, steps=None):
    random = np.random.default_rng(seed)
    certainty = random.random(rows)
    if steps:
        certainty = np.floor(certainty * steps) / steps
    right = (random.random(rows) < 0.4 + 0.5 * certainty).astype("float64")
    return certainty, right


def mean_over_orders(certainty, right, function, orders=4000):
    """Return the mean of a figure over random orders of rows that are equally certain."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(orders):
        order = np.lexsort((random.random(len(right)), -certainty))
        found.append(function(1.0 - right[order]))
    return np.mean(found), np.std(found) / np.sqrt(orders)


def aurc_of(wrong):
    return np.mean(np.cumsum(wrong) / np.arange(1, len(wrong) + 1))


def augrc_of(wrong):
    curve = np.append(0.0, np.cumsum(wrong)) / len(wrong)
    return np.mean((curve[1:] + curve[:-1]) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_areas_are_those_of_a_loop_without_ties(seed):
    certainty, right = drawn(seed)
    found = Ranking(certainty, right).selection()
    wrong = 1.0 - right[np.argsort(-certainty)]
    np.testing.assert_allclose(found.aurc(), aurc_of(wrong), rtol=1e-12, atol=0)
    np.testing.assert_allclose(found.augrc(), augrc_of(wrong), rtol=1e-12, atol=0)
    for coverage in (0.005, 0.3, 0.8, 1.0):
        count = round(coverage * 200)
        assert found.risk_at_coverage(coverage) == pytest.approx(wrong[:count].mean(), rel=1e-12)


def test_with_ties_they_are_means_over_the_orders_of_equal_rows():
    certainty, right = drawn(3, rows=30, steps=4)
    found = Ranking(certainty, right).selection()
    assert len(found.certainty) == 4
    for value, function in ((found.aurc(), aurc_of), (found.augrc(), augrc_of)):
        mean, error = mean_over_orders(certainty, right, function)
        assert abs(value - mean) < 4 * error + 1e-12


def test_no_order_of_the_rows_matters():
    certainty, right = drawn(1, steps=5)
    order = np.random.default_rng(2).permutation(len(right))
    one = Ranking(certainty, right).selection()
    other = Ranking(certainty[order], right[order]).selection()
    np.testing.assert_array_equal(one.wrong, other.wrong)
    assert one.aurc() == other.aurc()


@pytest.mark.parametrize("steps", [None, 6])
def test_a_weight_is_a_row_that_is_there_as_often(steps):
    certainty, right = drawn(4, rows=80, steps=steps)
    weights = np.random.default_rng(5).integers(0, 4, 80)
    weights[np.argmax(certainty)] = 0  # nothing is accepted at the first threshold
    weighed = Ranking(certainty, right).selection(weights.astype("float64"))
    repeated = Ranking(np.repeat(certainty, weights), np.repeat(right, weights)).selection()
    for name in ("aurc", "augrc"):
        found, wanted = getattr(weighed, name)(), getattr(repeated, name)()
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
    for share in (0.01, 0.5, 0.8, 1.0):
        found, wanted = weighed.risk_at_coverage(share), repeated.risk_at_coverage(share)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
        assert weighed.coverage_at_risk(share) == repeated.coverage_at_risk(share)


def test_the_area_of_generalized_risks_is_the_closed_form_of_its_paper():
    certainty, right = drawn(6, steps=20)
    is_right = right == 1
    above = certainty[is_right][:, None] - certainty[~is_right][None]
    auroc = np.mean((above > 0) + 0.5 * (above == 0))
    accuracy = right.mean()
    wanted = (1 - auroc) * accuracy * (1 - accuracy) + 0.5 * (1 - accuracy) ** 2
    found = Ranking(certainty, right).selection().augrc()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("rows", [1, 2, 50])
def test_all_right_and_all_wrong(value, rows):
    certainty, right = np.linspace(0, 1, rows), np.full(rows, value)
    found = Ranking(certainty, right).selection()
    assert found.aurc() == pytest.approx(1 - value, abs=1e-15)
    assert found.augrc() == pytest.approx((1 - value) / 2, abs=1e-15)
    assert found.risk_at_coverage(0.8) == 1 - value
    assert found.coverage_at_risk(0.01) == value


def test_a_score_that_says_nothing_has_the_risk_of_all_rows():
    right = np.array([1.0, 0, 1, 1, 0])
    found = Ranking(np.full(5, 0.7), right).selection()
    assert found.aurc() == pytest.approx(0.4, rel=1e-12)
    assert found.augrc() == pytest.approx(0.2, rel=1e-12)
    assert found.risk_at_coverage(0.2) == pytest.approx(0.4, rel=1e-12)
    assert (found.coverage_at_risk(0.39), found.coverage_at_risk(0.4)) == (0.0, 1.0)


def test_the_coverage_at_a_risk_is_the_largest_where_the_curve_comes_back():
    right = np.array([0.0, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    found = Ranking(np.arange(10, 0, -1.0), right).selection()
    assert found.coverage_at_risk(0.15) == 0.9
    assert found.coverage_at_risk(0.2) == 1.0
    assert found.coverage_at_risk(0.1) == 0.0
    assert found.risk_at_coverage(0.8) == pytest.approx(1 / 8)
