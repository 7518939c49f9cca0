"""Tests of out-of-distribution detection: known figures, ties, both directions, bad input."""

import numpy as np
import pytest

import keras_dropouts as kd


def test_scores_that_part_the_data_and_scores_that_do_not():
    apart = kd.uncertainty.out_of_distribution([0.1, 0.2], [0.3, 0.4, 0.5])
    assert apart == {"auroc": 1.0, "aupr": 1.0, "fpr95": 0.0, "aupr_in": 1.0, "fpr95_in": 0.0}
    wrong = kd.uncertainty.out_of_distribution([0.3, 0.4, 0.5], [0.1, 0.2])
    assert (wrong["auroc"], wrong["fpr95"], wrong["fpr95_in"]) == (0.0, 1.0, 1.0)
    same = kd.uncertainty.out_of_distribution([1, 1, 1], [1])
    assert same == {"auroc": 0.5, "aupr": 0.25, "fpr95": 1.0, "aupr_in": 0.75, "fpr95_in": 1.0}


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    random = np.random.default_rng(0)
    inside, outside = random.integers(0, 9, 60), random.integers(3, 12, 40)
    found = kd.uncertainty.out_of_distribution(inside, outside)
    above = outside[:, None] - inside[None]
    wanted = np.mean((above > 0) + 0.5 * (above == 0))
    np.testing.assert_allclose(found["auroc"], wanted, rtol=1e-12, atol=0)


def test_false_positives_are_counted_where_95_percent_are_found():
    inside = np.arange(100)
    outside = np.arange(20) + 50.5  # the second lowest finds 19 of 20
    found = kd.uncertainty.out_of_distribution(inside, outside)
    assert found["fpr95"] == 0.48
    # 95 of 100 are at or below 94, and all that is out of distribution is below, too
    assert found["fpr95_in"] == 1.0


def test_any_shape_is_taken_and_no_order_matters():
    random = np.random.default_rng(1)
    inside, outside = random.integers(0, 5, (4, 6)), random.integers(2, 8, (3, 5, 2))
    found = kd.uncertainty.out_of_distribution(inside, outside)
    other = kd.uncertainty.out_of_distribution(
        random.permutation(inside.reshape(-1)), random.permutation(outside.reshape(-1))
    )
    assert found == other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([], [0.1]),
            "`in_scores`. Expected an array of numbers with a row for each row of data, ",
        ),
        (([0.1], []), "`out_scores`. .* at least one row"),
        (([0.1, np.nan], [0.1]), "`in_scores`. .* 1 of whose numbers are NaN or infinite"),
        ((["a"], [0.1]), "`in_scores`. Expected an array of numbers"),
    ],
)
def test_bad_scores_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kd.uncertainty.out_of_distribution(*arguments)
