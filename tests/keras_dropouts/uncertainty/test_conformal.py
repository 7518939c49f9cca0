"""Tests conformal prediction: its coverage on real data, its sets and intervals, bad input."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge

import keras_dropouts as kd
from keras_dropouts.uncertainty.conformal_scores import least_rows, set_scores, threshold_of
from keras_dropouts.uncertainty.served_decisions import from_json, to_json

uncertainty = kd.uncertainty
SPLITS, ROWS, COVERAGE = 200, 300, 0.9
SETS = ("lac", "aps", "raps")


@pytest.fixture(scope="module")
def digits():
    """Probabilities of a linear model for digits that it has not seen, and their classes."""
    x, y = load_digits(return_X_y=True)
    model = LogisticRegression(C=0.002, max_iter=300).fit(x[:400], y[:400])
    return model.predict_proba(x[400:]), y[400:]


@pytest.fixture(scope="module")
def diabetes():
    """Predictions of a linear model for rows that it has not seen, a spread, and the truth."""
    x, y = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.1).fit(x[:142], y[:142])
    return model.predict(x[142:]), np.abs(x[142:, 2]) * 400 + 40.0, y[142:]


def splits(rows, seed=0):
    """Yield (calibration rows, other rows), drawn anew each time."""
    random = np.random.default_rng(seed)
    for _ in range(SPLITS):
        order = random.permutation(rows)
        yield order[: rows // 2], order[rows // 2 :]


def assert_mean_coverage(found, rows, exact):
    """Assert that the mean over splits is what theory gives, within four standard errors.

    A split covers a share that is Beta(k, n + 1 - k) with k = ceil((n + 1) * coverage): its mean is
    k / (n + 1), and not less where scores are equal.
    """
    k = int(np.ceil((rows + 1) * COVERAGE - 1e-9))
    mean, error = k / (rows + 1), np.std(found) / np.sqrt(len(found))
    assert np.mean(found) >= mean - 4 * error
    if exact:
        assert np.mean(found) <= mean + 4 * error


@pytest.mark.parametrize("method", SETS)
def test_sets_cover_as_often_as_they_are_asked_to(method, digits):
    p, y = digits
    found, sizes = [], []
    for calibration, others in splits(len(y)):
        sets = uncertainty.conformal(p[calibration], y=y[calibration], method=method)
        made = sets(p[others])
        found.append(made[np.arange(len(others)), y[others]].mean())
        sizes.append(made.sum(axis=1).mean())
    assert_mean_coverage(found, len(y) // 2, exact=method == "lac")
    assert 0.8 < np.mean(sizes) < 3.0  # of ten classes


def test_each_class_is_covered_where_that_is_asked(digits):
    p, y = digits
    for by_class in (True, False):
        found = {c: [] for c in range(10)}
        for calibration, others in splits(len(y), seed=1):
            options = {"y": y[calibration], "by_class": by_class}
            made = uncertainty.conformal(p[calibration], **options)(p[others])
            for c, of_class in found.items():
                rows = y[others] == c
                of_class.append(made[rows, c].mean())
        means = {c: np.mean(x) for c, x in found.items()}
        errors = {c: np.std(x) / np.sqrt(SPLITS) for c, x in found.items()}
        covered = [means[c] >= COVERAGE - 4 * errors[c] for c in means]
        assert all(covered) == by_class  # one threshold for all leaves hard classes behind


@pytest.mark.parametrize("method", ["absolute", "scaled"])
def test_intervals_cover_as_often_as_they_are_asked_to(method, diabetes):
    mean, std, y = diabetes
    found = []
    for calibration, others in splits(len(y)):
        given = {"std": std[calibration]} if method == "scaled" else {}
        made = uncertainty.conformal(mean[calibration], y=y[calibration], method=method, **given)
        low, high = made(mean[others], std=std[others])
        found.append(np.mean((low <= y[others]) & (y[others] <= high)))
    assert_mean_coverage(found, len(y) // 2, exact=True)


def test_quantiles_are_moved_until_they_cover(diabetes):
    mean, std, y = diabetes
    ends = np.stack([mean - std, mean + std], axis=1)
    found = []
    for calibration, others in splits(len(y)):
        made = uncertainty.conformal(ends[calibration], y=y[calibration], method="quantile")
        low, high = made(ends[others])
        assert low.shape == (len(others), 1)
        found.append(np.mean((low[:, 0] <= y[others]) & (y[others] <= high[:, 0])))
    assert_mean_coverage(found, len(y) // 2, exact=True)


def test_each_unit_of_an_output_is_covered():
    random = np.random.default_rng(5)
    y = random.normal(size=(6000, 2)) * np.array([1.0, 20.0])
    made = uncertainty.conformal(np.zeros((3000, 2)), y=y[:3000])
    assert made.rows == 3000
    low, high = made(np.zeros((3000, 2)))
    covered = np.mean((low <= y[3000:]) & (y[3000:] <= high), axis=0)
    np.testing.assert_allclose(covered, COVERAGE, rtol=0.0, atol=0.03)  # 4 standard deviations
    assert from_json(to_json([made])) == [made]
    tensor = keras.ops.zeros((2, 2))
    for name, found in made.served(tensor, xp=keras.ops).items():
        wanted = made.served(np.zeros((2, 2), "float32"))[name]
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-6, atol=0.0)
    with pytest.raises(ValueError, match="this one is for 2 units"):
        made(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="at least 9 rows"):
        uncertainty.conformal(np.zeros((5, 4)), y=random.normal(size=(5, 4)))


def test_sets_say_how_many_classes_they_are_for(digits):
    p, y = digits
    sets = uncertainty.conformal(p, y=y)
    with pytest.raises(ValueError, match="probabilities of 10 classes"):
        sets(np.full((3, 2), 0.5))


def test_scores_are_those_of_the_papers():
    p = np.array([[0.5, 0.2, 0.3]])
    np.testing.assert_allclose(set_scores(p, "lac", 0, 1), [[0.5, 0.8, 0.7]], atol=1e-12)
    np.testing.assert_allclose(set_scores(p, "aps", 0, 1), [[0.0, 0.8, 0.5]], atol=1e-12)
    made = set_scores(p, "raps", 0.1, 2)
    np.testing.assert_allclose(made, [[0.0, 0.9, 0.5]], atol=1e-12)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_the_least_number_of_rows_is_enough_and_one_less_is_not(coverage):
    rows = least_rows(coverage)
    scores = np.arange(float(rows))
    assert threshold_of(scores, coverage) == rows - 1
    with pytest.raises(ValueError, match=f"at least {rows} rows.*{rows - 1} rows"):
        threshold_of(scores[:-1], coverage)


@pytest.mark.parametrize("method", SETS)
def test_tensors_and_arrays_make_the_same_sets(method, digits):
    p, y = digits
    scale = uncertainty.calibrate(p[:500], y=y[:500])
    sets = uncertainty.conformal(p[500:], y=y[500:], method=method, calibration=scale)
    narrow = p[:500].astype("float32")
    made = keras.ops.convert_to_numpy(
        sets.served(keras.ops.convert_to_tensor(narrow), xp=keras.ops)["set"]
    )
    apart = sets.margin(narrow)["set"] > 1e-4
    assert apart.mean() > 0.9
    np.testing.assert_array_equal(made[apart], sets(narrow)[apart])


def test_they_are_the_same_after_json(digits, diabetes):
    p, y = digits
    scale = uncertainty.calibrate(p, y=y, method="isotonic")
    sets = uncertainty.conformal(p, y=y, method="raps", calibration=scale)
    mean, _, truth = diabetes
    intervals = uncertainty.conformal(mean, y=truth)
    threshold = uncertainty.evaluate(p, y).threshold(risk=0.02)
    text = to_json([sets, intervals, threshold, scale])
    assert isinstance(json.loads(text), list)
    again = from_json(text)
    np.testing.assert_array_equal(again[0](p), sets(p))
    np.testing.assert_array_equal(again[1](mean), intervals(mean))
    assert again[2] == threshold
    assert again[2].score == "confidence"
    np.testing.assert_array_equal(again[3].scaled(p, np), scale.scaled(p, np))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [keras.Input((4,)), layers.Dropout(0.4), layers.Dense(3, activation="softmax")]
    )
    x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)
    return made, x, y


def test_a_model_is_fitted_again_for_what_is_served(model):
    made, x, y = model
    plain = uncertainty.conformal(made, x, y)
    assert plain.samples is None
    drawn = plain.for_samples(8)
    assert drawn.samples == 8
    prediction = kd.mc_predict(made, x, 8, seed=0, verbose=False)
    wanted = uncertainty.conformal(prediction, y=y)
    assert drawn.thresholds[0] == pytest.approx(wanted.thresholds[0], rel=1e-5)
    assert drawn.thresholds != plain.thresholds
    assert drawn.for_samples(None).thresholds == plain.thresholds
    again = from_json(to_json([drawn]))[0]
    with pytest.raises(ValueError, match=r"fitted on 16 samples.*one fitted on 8 samples"):
        again.for_samples(16)
    of_prediction = uncertainty.conformal(prediction, y=y)
    with pytest.raises(ValueError, match="fitted on a prediction without dropout"):
        of_prediction.for_samples(None)


GOOD, LABELS = np.full((30, 2), 0.5), np.arange(30) % 2
BAD = {
    "too few": ({"prediction": GOOD[:5], "y": LABELS[:5]}, "at least 9 rows"),
    "of a class": (
        {"prediction": GOOD, "y": LABELS * 0 + (np.arange(30) < 3), "by_class": True},
        "at least 9 rows of class 1",
    ),
    "coverage": (
        {"prediction": GOOD, "y": LABELS, "coverage": 1.0},
        "`coverage`. Expected a number",
    ),
    "method": ({"prediction": GOOD, "y": LABELS, "method": "naive"}, "`method`. Expected one of"),
    "length": ({"prediction": GOOD, "y": LABELS[:7]}, "`y`. Expected a class for each"),
    "logits": ({"prediction": GOOD * 7, "y": LABELS, "method": "lac"}, "They may be logits"),
    "NaN": ({"prediction": GOOD * np.nan, "y": LABELS}, "all finite"),
    "no labels": ({"prediction": GOOD}, "`y`. Expected labels"),
    "no std": (
        {"prediction": GOOD[:, 0], "y": GOOD[:, 0], "method": "scaled"},
        "standard deviation",
    ),
    "one end": (
        {"prediction": GOOD[:, :1], "y": GOOD[:, 0], "method": "quantile"},
        "two quantiles",
    ),
    "free": ({"prediction": GOOD, "y": LABELS, "free": 0}, "`free`. Expected an integer"),
    "penalty": ({"prediction": GOOD, "y": LABELS, "penalty": -1}, "`penalty`. Expected a finite"),
    "calibration": ({"prediction": GOOD, "y": LABELS, "calibration": 3}, "`calibration`. Expected"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case):
    arguments, said = BAD[case]
    with pytest.raises(ValueError, match="Invalid value for argument") as raised:
        uncertainty.conformal(**arguments)
    assert said in str(raised.value)
