"""Tests calibrations: what they are fitted to, as layers, in models, and with bad input."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.isotonic import IsotonicRegression

import keras_dropouts as kd
from calibrated_data import METHODS, figures, held, make_overconfident, softmax
from keras_dropouts.uncertainty.isotonic_scaling import MOST_KNOTS, fitted_knots

uncertainty = kd.uncertainty


@pytest.fixture(scope="module")
def overconfident():
    return make_overconfident()


def test_the_temperature_is_the_one_that_was_put_in(overconfident):
    p, y = overconfident
    found = uncertainty.calibrate(p, y=y)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    best = figures(found(p), y)["nll"]
    for other in (0.97, 1.03):
        moved = uncertainty.TemperatureScaling(found.temperature * other)
        assert figures(moved(p), y)["nll"] > best


def test_the_shares_that_were_put_in_come_back_by_a_vector(overconfident):
    p, y = overconfident
    shifted = softmax(np.log(p) + np.array([1.0, 0.0, 0.0, -1.0]))
    found = uncertainty.calibrate(shifted, y=y, method="vector")
    np.testing.assert_allclose(found.factors, 1.0 / 3.0, rtol=0.08, atol=0.0)
    moved = np.array(found.biases) - np.mean(found.biases)
    np.testing.assert_allclose(moved, [-1 / 3, 0.0, 0.0, 1 / 3], rtol=0.0, atol=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_held_out_rows_are_better_calibrated(method, overconfident):
    p, y = overconfident
    found = uncertainty.calibrate(p[:3000], y=y[:3000], method=method)
    before, after = figures(p[3000:], y[3000:]), figures(found(p[3000:]), y[3000:])
    assert after["nll"] < 0.7 * before["nll"]
    assert after["ece"] < 0.25 * before["ece"]


@pytest.mark.parametrize("method", METHODS)
def test_tensors_and_arrays_are_scaled_alike(method, overconfident):
    p, y = overconfident
    found = uncertainty.calibrate(p, y=y, method=method)
    for dtype, tolerance in (("float64", 1e-6), ("float32", 1e-5)):
        given = held(p[:50].astype(dtype))
        made = np.asarray(keras.ops.convert_to_numpy(found(given)))
        assert made.dtype == given.dtype
        np.testing.assert_allclose(made, found.scaled(given, np), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(made.sum(axis=-1), 1.0, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("method", METHODS)
def test_one_unit_stands_for_two_classes_and_pixels_are_rows(method, overconfident):
    p, y = overconfident
    two = np.stack([p[:, :2].sum(axis=1), p[:, 2:].sum(axis=1)], axis=1)
    labels = (y >= 2).astype("int64")
    second = held(two[:, 1:].clip(0.0, 1.0))
    two = np.concatenate([1 - second, second], axis=1)
    found = uncertainty.calibrate(two, y=labels, method=method)
    of_one = uncertainty.calibrate(two[:, 1:], y=labels, method=method)
    wanted = np.asarray(keras.ops.convert_to_numpy(found(two)))[:, 1:]
    got = np.asarray(keras.ops.convert_to_numpy(of_one(two[:, 1:])))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    maps = two.reshape(60, 10, 10, 2)
    of_maps = uncertainty.calibrate(maps, y=labels.reshape(60, 10, 10), method=method)
    made = keras.ops.convert_to_numpy(of_maps(maps)).reshape(-1, 2)
    np.testing.assert_allclose(made[:, 1:], wanted, rtol=1e-5, atol=1e-5)


def test_what_is_certain_stays_certain():
    p = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    made = uncertainty.TemperatureScaling(7.0).scaled(p, np)
    np.testing.assert_array_equal(made, p)


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_functions_are_those_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    x = random.random(700).round(seed + 1)  # with few decimals many are equal
    y = (random.random(700) < x**2).astype("float64")
    knots = fitted_knots(x, y, None)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    grid = np.linspace(0.0, 1.0, 2001)
    ours = np.interp(grid, knots[:, 0], knots[:, 1])
    np.testing.assert_allclose(ours, theirs.predict(grid), rtol=0.0, atol=1e-9)
    few = fitted_knots(random.random(20000), random.random(20000))
    assert len(few) <= MOST_KNOTS


def test_the_temperature_within_samples_makes_their_mean_best():
    random = np.random.default_rng(3)
    scores = random.normal(size=(1, 4000, 3)) * 2.0 + random.normal(size=(20, 4000, 3))
    y = np.array([random.choice(3, p=p) for p in softmax(scores / 2.0).mean(axis=0)])
    prediction = kd.MonteCarloPrediction(softmax(scores), seed=0)
    found = uncertainty.calibrate(prediction, y=y, within=True)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    best = mean_nll(prediction.samples, found.temperature, y)
    for other in (0.95, 1.05):
        assert mean_nll(prediction.samples, found.temperature * other, y) > best


def mean_nll(samples, temperature, y):
    scaled = uncertainty.TemperatureScaling(temperature).scaled(samples, np)
    return figures(scaled.mean(axis=0), y)["nll"]


def test_the_scale_of_the_deviation_is_the_root_mean_square_of_the_standardized_errors():
    random = np.random.default_rng(1)
    std = random.uniform(0.5, 2.0, 5000)
    y = 3.0 * std * random.normal(size=5000)
    found = uncertainty.calibrate(np.zeros(5000), y=y, std=std, method="std")
    assert found.scale == pytest.approx(np.sqrt(np.mean((y / std) ** 2)), rel=1e-12)
    after = uncertainty.evaluate(np.zeros(5000), y, std=found.scaled(std, np)).to_dict()
    before = uncertainty.evaluate(np.zeros(5000), y, std=std).to_dict()
    assert after["nll"] < before["nll"]
    assert after["coverage_90"] == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_holds_its_calibration(method, tmp_path):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dropout(0.3), layers.Dense(3, activation="softmax")]
    )
    found = uncertainty.calibrate(model, x, y, method=method)
    whole = keras.Sequential([model, found])
    assert not found.trainable_variables
    whole.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    wanted = found.scaled(model.predict(x, verbose=0), np)
    np.testing.assert_allclose(whole.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(again.predict(x, verbose=0), whole.predict(x, verbose=0))
    one, two = (kd.mc_predict(m, x, 4, seed=1, verbose=False) for m in (whole, model))
    np.testing.assert_allclose(one.samples, found.scaled(two.samples, np), rtol=1e-4, atol=1e-6)


def test_narrow_dtypes_are_scaled_in_float32():
    p = np.array([[0.9, 0.1], [0.25, 0.75]], "float32")
    half = keras.ops.cast(p, "float16")
    made = uncertainty.TemperatureScaling(2.0, dtype="mixed_float16")(half)
    assert keras.backend.standardize_dtype(made.dtype) == "float16"
    wanted = uncertainty.TemperatureScaling(2.0).scaled(p, np)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(made), wanted, rtol=0.0, atol=2e-3)


GOOD = np.full((4, 2), 0.5)
BAD = {
    "another length": ({"prediction": GOOD, "y": [0, 1, 0]}, "`y`. Expected a class for each"),
    "no labels": ({"prediction": GOOD}, "`y`. Expected labels"),
    "a float label": ({"prediction": GOOD, "y": [0, 1, 0.5, 1]}, "`y`. Expected classes, whole"),
    "logits": ({"prediction": GOOD * 9, "y": [0, 1, 0, 1]}, "They may be logits"),
    "sums": ({"prediction": GOOD * 0.8, "y": [0, 1, 0, 1]}, "with the sum 1"),
    "NaN": ({"prediction": GOOD * np.nan, "y": [0, 1, 0, 1]}, "all finite"),
    "empty": ({"prediction": GOOD[:0], "y": []}, "at least one row"),
    "method": (
        {"prediction": GOOD, "y": [0, 1, 0, 1], "method": "platt"},
        "`method`. Expected one of",
    ),
    "within": (
        {"prediction": GOOD, "y": [0, 1, 0, 1], "within": True},
        "`prediction`. Expected samples",
    ),
    "no std": (
        {"prediction": GOOD[:, 0], "y": [0, 1, 0, 1], "method": "std"},
        "standard deviations",
    ),
    "one class": (
        {"prediction": GOOD * [1.6, 0.4], "y": [0, 0, 0, 0]},
        "at least two classes",
    ),
    "all right": (
        {"prediction": [[0.8, 0.2], [0.3, 0.7]], "y": [0, 1]},
        "not the most probable class",
    ),
    "the same numbers": (
        {"prediction": GOOD[:, 0], "y": GOOD[:, 0], "std": GOOD[:, 0], "method": "std"},
        "differ from the predictions",
    ),
    "two places": ({"prediction": GOOD, "x": GOOD, "y": [0, 1, 0, 1]}, "`x`. Expected None"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case):
    arguments, said = BAD[case]
    with pytest.raises(ValueError, match="Invalid value for argument") as raised:
        uncertainty.calibrate(**arguments)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: uncertainty.TemperatureScaling(0.0), "temperature"),
        (lambda: uncertainty.StdScaling(float("nan")), "scale"),
        (lambda: uncertainty.VectorScaling([1.0], [0.0, 1.0]), "biases"),
        (lambda: uncertainty.VectorScaling([1.0, "x"], [0.0, 1.0]), "weights"),
        (lambda: uncertainty.IsotonicScaling([[(0.5, 0.1), (0.2, 0.3)]] * 2), "knots"),
        (lambda: uncertainty.IsotonicScaling("no"), "knots"),
    ],
)
def test_layers_check_their_numbers(make, argument):
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        make()
