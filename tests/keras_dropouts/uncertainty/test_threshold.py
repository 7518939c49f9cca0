"""Tests of thresholds for a risk: the lowest that reaches it, other scores, bounds, and errors."""

import copy
import math
import pickle

import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.uncertainty.selective import Ranking
from keras_dropouts.uncertainty.threshold import at_most, find_threshold

ROWS = 400


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    samples = random.dirichlet([2.0, 0.6, 0.4], (5, ROWS)) * 0.5
    samples += 0.5 * random.dirichlet([2.0, 0.6, 0.4], ROWS)
    mean = samples.mean(axis=0)
    y = (mean.cumsum(axis=1) > random.random((ROWS, 1))).argmax(axis=1)
    return kd.MonteCarloPrediction(samples, seed=1), y


def certainty(prediction, score):
    if score == "confidence":
        return prediction.mean.max(axis=1)
    name = "predictive_entropy" if score == "entropy" else score
    return -getattr(prediction, name)


@pytest.mark.parametrize("score", ["confidence", "entropy", "mutual_information"])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_it_accepts_the_most_rows_with_that_risk(data, score, share):
    prediction, y = data
    report = kd.uncertainty.evaluate(prediction, y)
    risk = report.risk_at_coverage(share, score)
    threshold = report.threshold(risk=risk, score=score)
    found = certainty(prediction, score)
    accepted = found >= threshold
    wrong = prediction.mean.argmax(axis=1) != y
    assert isinstance(threshold, float)
    assert (threshold.score, threshold.target, threshold.confidence) == (score, risk, None)
    assert threshold.coverage == pytest.approx(accepted.mean(), rel=1e-12)
    assert threshold.risk == pytest.approx(wrong[accepted].mean(), rel=1e-12)
    assert threshold.risk <= risk + 1e-12
    for other in np.sort(found[~accepted]):
        assert wrong[found >= other].mean() > risk + 1e-12
    np.testing.assert_array_equal(threshold.accepts(prediction), accepted)


def test_a_risk_that_all_rows_have_accepts_all(data):
    prediction, y = data
    report = kd.uncertainty.evaluate(prediction, y)
    threshold = report.threshold(risk=1.0)
    assert (threshold.coverage, threshold.accepts(prediction).all()) == (1.0, True)
    assert threshold.accepts(prediction.mean.astype("float32")).all()
    assert threshold < prediction.mean.max(axis=1).min()


def test_it_lies_between_two_certainties_and_rows_of_one_stay_together():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    report = kd.uncertainty.evaluate(p, [0, 0, 1, 0])
    assert report.threshold(0.2) == pytest.approx(0.85)
    assert report.threshold(0.25).coverage == 1.0
    assert report.threshold(0.0).coverage == 0.25
    # The next number above 0.8 and 0.8 itself have nothing between them.
    p[0] = [np.nextafter(0.8, 1), 1 - np.nextafter(0.8, 1)]
    threshold = kd.uncertainty.evaluate(p, [0, 0, 1, 0]).threshold(0.0)
    np.testing.assert_array_equal(threshold.accepts(p), [True, False, False, False])


def test_it_accepts_pixels_outputs_of_files_and_one_unit(data):
    prediction, y = data
    threshold = kd.uncertainty.evaluate(prediction, y).threshold(0.4, "mutual_information")
    accepted = threshold.accepts(prediction)
    images = kd.MonteCarloPrediction(prediction.samples.reshape(5, 20, 5, 4, 3), 1)
    np.testing.assert_array_equal(threshold.accepts(images).reshape(-1), accepted)
    outputs = {"p_mean": prediction.mean, "p_mutual_information": prediction.mutual_information}
    np.testing.assert_array_equal(threshold.accepts(outputs), accepted)
    with pytest.raises(ValueError, match="It needs samples: predict without `reduce`"):
        threshold.accepts(prediction.mean)
    binary = kd.uncertainty.Threshold(0.7)
    unit = np.array([[0.1], [0.5], [0.8]])
    np.testing.assert_array_equal(binary.accepts(unit), [True, False, True])
    one = kd.uncertainty.Threshold(-0.1, "mutual_information")
    np.testing.assert_array_equal(
        one.accepts(kd.MonteCarloPrediction(unit[None, :, 0], 1)), [True] * 3
    )


def test_it_is_copied_and_pickled_with_what_is_known_of_it(data):
    threshold = kd.uncertainty.evaluate(*data).threshold(0.35, "entropy", confidence=0.9)
    for other in (copy.deepcopy(threshold), pickle.loads(pickle.dumps(threshold))):
        assert (other, vars(other)) == (threshold, vars(threshold))
    assert str(threshold) == repr(threshold)
    assert repr(threshold).startswith(f"Threshold({float(threshold):.6g}, score='entropy', risk=")


@pytest.mark.parametrize(("wrong", "rows", "risk"), [(0, 10, 0.2), (3, 50, 0.1), (40, 900, 0.05)])
def test_the_probability_of_few_wrong_rows_is_binomial(wrong, rows, risk):
    wanted = sum(math.comb(rows, j) * risk**j * (1 - risk) ** (rows - j) for j in range(wrong + 1))
    np.testing.assert_allclose(at_most(wrong, rows, risk), wanted, rtol=1e-10, atol=0)


def test_where_too_many_are_wrong_the_probability_is_one():
    assert (at_most(3, 10, 0.2), at_most(0, 10, 0.0), at_most(10, 10, 1.0)) == (1.0, 1.0, 1.0)
    assert at_most(2, 10, 1.0) == 0.0


def test_with_confidence_the_risk_in_other_data_is_held_as_often():
    """Certainties c are uniform in [1/2, 1], and wrong with 0.6 (1 - c): above t with half of it."""
    random, broken, plain, coverage = np.random.default_rng(1), 0, 0, []
    for _ in range(200):
        certain = random.uniform(0.5, 1.0, 2000)
        right = (random.random(2000) < 1.0 - 0.6 * (1.0 - certain)).astype("float64")
        selections = {"confidence": Ranking(certain, right).selection()}
        bounded = find_threshold(selections, 0.1, "confidence", 0.9)
        broken += 0.3 * (1.0 - bounded) > 0.1
        plain += 0.3 * (1.0 - find_threshold(selections, 0.1, "confidence", None)) > 0.1
        coverage.append(bounded.coverage)
    assert broken <= 20
    assert plain > 60  # without confidence it is about every other time
    assert np.mean(coverage) > 0.3


def test_with_confidence_fewer_rows_are_accepted(data):
    report = kd.uncertainty.evaluate(*data)
    plain, bounded = report.threshold(0.3), report.threshold(0.3, confidence=0.9)
    assert bounded > plain
    assert bounded.confidence == 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"risk": 0.0},
            r"`risk`\. Expected a risk that some threshold of 'confidence' reaches\. Rec",
        ),
        (
            {"risk": 0.0},
            r"The least risk of the rows that confidence finds most certain is 0\.3333",
        ),
        (
            {"risk": 0.5, "confidence": 0.99},
            r"'confidence' reaches with confidence 0\.99\. .* these 4 ",
        ),
        ({"risk": -0.1}, r"`risk`\. Expected a number from 0 to 1, the share of accepted rows"),
        ({"risk": "low"}, r"`risk`\. Expected a number from 0 to 1"),
        ({"risk": 0.5, "confidence": 1.0}, r"`confidence`\. Expected None or a number above 0 and"),
        (
            {"risk": 0.5, "score": "mutual_information"},
            r"`score`\. Expected one of 'confidence', 'entropy'",
        ),
        ({"risk": 0.5, "score": "margin"}, r"`score`\. Expected one of 'confidence', 'entropy'"),
    ],
)
def test_what_no_threshold_reaches_is_refused(arguments, message):
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
    report = kd.uncertainty.evaluate(p, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=message):
        report.threshold(**arguments)
