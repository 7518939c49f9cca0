"""Tests that `evaluate` refuses bad labels and predictions, and says what to do."""

import numpy as np
import pytest

import keras_dropouts as kd

P = np.full((6, 3), 1 / 3)
Y = np.array([0, 1, 2, 0, 1, 2])
LOGITS = np.array([[2.0, -1.0, 0.5]] * 6)
HOLE = np.where(np.arange(18).reshape(6, 3) == 4, np.nan, P)


def refused(*arguments, **options):
    with pytest.raises(ValueError, match="Expected") as error:
        kd.uncertainty.evaluate(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("prediction", "y", "message"),
    [
        (
            P,
            Y[:5],
            "`y`. Expected a class for each prediction, of shape (6,). Received: y='int64 of",
        ),
        (P, np.append(Y, 0), "shape (6,). Received: y='int64 of shape (7,)'"),
        (P, Y.reshape(2, 3), "shape (6,). Received: y='int64 of shape (2, 3)'"),
        (P, ["a"] * 6, "`y`. Expected an array of numbers with a row for each row of data"),
        (P, [None] * 6, "`y`. Expected an array of numbers"),
        (P, [[0], [1, 2]], "`y`. Expected an array of numbers"),
        (P, Y + 0.5, "`y`. Expected classes, whole numbers from 0 to 2. Received: y=0.5"),
        (P, Y + 1, "whole numbers from 0 to 2. Received: y=3. Pass `ignore_label=3` where"),
        (P, Y - 1, "whole numbers from 0 to 2. Received: y=-1. Pass `ignore_label=-1`"),
        (P, np.where(Y == 1, np.nan, Y), "whole numbers from 0 to 2. Received: y=nan"),
        (
            0.9 * P,
            Y,
            "with the sum 1. Received: prediction='float64 of shape (6, 3), with sums from",
        ),
        (P * [1, 1, 1.02], Y, "with sums from 1.007 to 1.007'"),
        (LOGITS, Y, "with numbers from -1 to 2'. They may be logits: take their softmax first"),
        (
            LOGITS[:, :1] - 3,
            Y % 2,
            "They may be logits: take their softmax first (of one unit the si",
        ),
        (
            HOLE,
            Y,
            "`prediction`. Expected an array of numbers with a row for each row of data, all ",
        ),
        (P[:0], Y[:0], "and at least one row. Received: prediction='float64 of shape (0, 3)'"),
        (P, Y[:0], "`y`. Expected an array of numbers with a row for each row of data, and at lea"),
        (0.5, Y, "`prediction`. Expected an array of numbers"),
        ("p", Y, "`prediction`. Expected an array of numbers"),
        ({}, Y, "`output`. Expected the name of one output, out of []"),
        ({"p_samples": Y}, Y, "`prediction['p_samples']`. Expected samples of shape (batch, samp"),
        (
            P,
            np.eye(3)[Y] * [1, 1, 0],
            '`kind`. Expected "classification" or "regression", as labels',
        ),
        (P[:, 0], P, "`y`. Expected numbers of shape (6,), as the prediction"),
    ],
)
def test_what_does_not_fit_is_refused(prediction, y, message):
    assert message in refused(prediction, y)


def test_logits_in_samples_are_told_by_the_mean_or_by_the_samples():
    logits = kd.MonteCarloPrediction(np.stack([LOGITS, 1 - LOGITS]), seed=1)
    assert "`.as_probabilities()` of a MonteCarloPrediction" in refused(logits, Y)
    apart = np.array([0.5, -0.5, 0.0])
    swapped = kd.MonteCarloPrediction(np.stack([P + apart, P - apart]), seed=1)
    assert "`samples`. Expected class probabilities" in refused(swapped, Y)
    kd.uncertainty.evaluate(logits.as_probabilities(), Y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "classes"}, "`kind`. Expected one of 'classification', 'regression'"),
        ({"mask": np.ones(6)}, "`mask`. Expected booleans of shape (6,). Received: mask='float64"),
        ({"mask": np.ones(5, bool)}, "`mask`. Expected booleans of shape (6,)"),
        ({"mask": np.zeros(6, bool)}, "`y`. Expected at least one label that is not left out"),
        ({"ignore_label": 0.5}, "`ignore_label`. Expected None or an integer"),
        ({"bins": 0}, "`bins`. Expected an integer not below 1"),
        ({"bins": 10**6}, "`bins`. Expected an integer from 1 to 10,000"),
        ({"bootstrap": -1}, "`bootstrap`. Expected an integer not below 0"),
        ({"level": 1.0}, "`level`. Expected a number above 0 and below 1"),
        ({"seed": -1}, "`seed`. Expected an integer not below 0"),
        (
            {"kind": "classification", "std": P},
            "`std`. Expected nothing, as the labels are classes",
        ),
        ({"kind": "classification", "noise": 1.0}, "`noise`. Expected nothing"),
    ],
)
def test_options_are_checked(options, message):
    assert message in refused(P, Y, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"std": np.zeros(6)},
            "a standard deviation above 0 for each number. Received: std='6 num",
        ),
        ({"std": -np.ones(6)}, "`std`. Expected numbers not below 0. Received: std=-1.0"),
        ({"std": np.ones(5)}, "`std`. Expected numbers of shape (6,)"),
        ({"std": np.full(6, np.nan)}, "`std`. Expected an array of numbers"),
        ({"noise": -1.0}, "`noise`. Expected a finite number above 0"),
        ({"noise": "a"}, "`noise`. Expected a finite number above 0"),
        ({"ignore_label": 1}, "`ignore_label`. Expected None, as the labels are numbers"),
    ],
)
def test_options_of_numbers_are_checked(options, message):
    assert message in refused(np.arange(6.0), np.arange(6.0), **options)


def test_a_deviation_is_given_once_and_samples_without_spread_need_noise():
    prediction = kd.MonteCarloPrediction(np.ones((3, 6)), seed=1)
    said = refused(prediction, np.arange(6.0))
    assert "Pass `noise=`, the standard deviation of the noise in the data." in said
    assert kd.uncertainty.evaluate(prediction, np.arange(6.0), noise=2.0).rows == 6
    said = refused(prediction, np.arange(6.0), std=np.ones(6))
    assert "`std`. Expected None, as the prediction has a standard deviation" in said
