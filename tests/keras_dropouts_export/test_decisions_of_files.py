"""Tests how files with decisions are compared: exactly, and honestly next to a threshold."""

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.checks.own_decisions import own_decisions
from keras_dropouts_export.decided_outputs import DecidedOutputs
from keras_dropouts_export.options import Comparison
from keras_dropouts_export.tracing.deciding_function import deciding
from keras_dropouts_export.tracing.inference_function import inference_function

uncertainty = kd.uncertainty


@pytest.fixture(scope="module")
def confident():
    """A classifier that is far too certain, inputs, and classes of which some are others."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 6)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,), name="x"),
            layers.Dense(5, name="scores"),
            layers.Dropout(0.2),
            layers.Rescaling(12.0),
            layers.Softmax(name="digit"),
        ]
    )
    p = model.predict(x, verbose=0)
    y = np.where(random.random(400) < 0.9, p.argmax(axis=1), random.integers(0, 5, 400))
    return model, x, y


def answered(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def session_input(path):
    """Return the name of the first input of a file."""
    return onnxruntime.InferenceSession(str(path)).get_inputs()[0].name


@pytest.mark.parametrize("samples", [None, 4])
def test_steep_pieces_and_thresholds_that_are_met_are_no_fault_of_a_file(
    samples, confident, tmp_path
):
    """The inputs are those of the fit, so each is at a knot, and one is at the threshold."""
    model, x, y = confident
    scale = uncertainty.calibrate(model, x, y, method="isotonic", samples=samples)
    assert min(np.diff(each[:, 0]).min() for each in scale.knots) < 1e-6
    sets = uncertainty.conformal(model, x, y, coverage=0.95, calibration=scale, samples=samples)
    path = tmp_path / "m.onnx"
    options = {} if samples else {"sample_inputs": x}
    report = kde.export_onnx(model, path, samples=samples, calibration=[sets, scale], **options)
    assert report.ok
    feeds = {"x": x} | ({"seed": kd.row_seeds(0, len(x))} if samples else {})
    got = answered(path, feeds)
    mean = got["digit_mean" if samples else "digit"]
    np.testing.assert_allclose(
        got["digit_calibrated"], scale.scaled(mean, np), rtol=1e-4, atol=1e-5
    )
    assert np.mean(got["digit_set"] != sets(mean)) < 0.005


def test_sets_of_a_certain_model_are_small_in_the_file_too(confident, tmp_path):
    model, x, y = confident
    sets = uncertainty.conformal(model, x, y, coverage=0.97)
    assert 1.0 - sets.thresholds[0] < 1e-8  # 1 in float32
    kde.export_onnx(model, tmp_path / "m.onnx", calibration=sets, sample_inputs=x)
    got = answered(tmp_path / "m.onnx", {"x": x})
    np.testing.assert_array_equal(got["digit_set"], sets(got["digit"]))
    assert got["digit_set"].sum(axis=1).mean() < 4.5


def test_what_a_file_decides_wrongly_is_found_and_what_is_near_is_counted(confident):
    model, x, _ = confident
    p = model.predict(x, verbose=0)
    accept = uncertainty.Threshold(float(np.sort(p.max(axis=1))[200]))  # a row meets it
    decided = DecidedOutputs.asked_for([accept, uncertainty.TemperatureScaling(2.0)], None)
    plain = inference_function(model)
    function = deciding(plain, decided.of({each.name: each.shape for each in plain.outputs}))
    answer = function({"x": x})
    good = {each.output: each for each in own_decisions(function, answer, Comparison(), "float32")}
    assert good["digit_accept"].error == 0.0
    assert 1 <= good["digit_accept"].left_out < 40
    assert good["digit_calibrated"].error < good["digit_calibrated"].allowed < 1e-3
    row = int(np.argmax(np.abs(p.max(axis=1) - accept)))  # far from the threshold
    answer["digit_accept"][row] ^= True
    answer["digit_calibrated"] = answer["digit_calibrated"] + np.float32(0.01)
    bad = {each.output: each for each in own_decisions(function, answer, Comparison(), "float32")}
    assert bad["digit_accept"].error == np.inf
    assert bad["digit_calibrated"].error > bad["digit_calibrated"].allowed


def test_the_report_counts_the_decisions_that_are_too_near(confident, tmp_path):
    model, x, _ = confident
    p = model.predict(x, verbose=0)
    accept = uncertainty.Threshold(float(np.sort(p.max(axis=1))[200]))
    report = kde.export_onnx(model, tmp_path / "m.onnx", calibration=accept, sample_inputs=x)
    rows = [row for row in report.parity.rows if row.output == "digit_accept"]
    assert max(row.left_out for row in rows) >= 1
    assert "too near to a threshold" in str(report.parity)
    assert all(row.left_out == 0 for row in report.parity.rows if row.output == "digit")


def test_the_coverage_that_was_asked_is_that_of_the_sets(confident, tmp_path):
    model, x, y = confident
    accept = uncertainty.evaluate(model.predict(x, verbose=0), y).threshold(risk=0.1)
    assert accept.coverage != 0.8
    sets = uncertainty.conformal(model, x, y, coverage=0.8)
    kde.export_onnx(model, tmp_path / "m.onnx", calibration=[accept, sets])
    found = kde.verify(model, tmp_path / "m.onnx", sample_inputs=x, y=y, time_limit=None)
    asked = {row.output: row.asked for row in found.coverage}
    assert asked == {"digit_set": 0.8, "digit_accept": 0.1}


def test_a_file_that_draws_without_a_seed_has_its_decisions_compared(confident, tmp_path):
    model, x, y = confident
    sets = uncertainty.conformal(model, x, y)
    path = tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, samples=4, rng="native", calibration=sets)
    assert "digit_set" in {row.output for row in report.parity.other_seed}
    found = kde.verify(model, path, sample_inputs=x, y=y, time_limit=None)
    assert found.ok
    (row,) = found.coverage
    assert 0.8 < row.value <= 1.0


def test_what_is_no_probability_is_refused_and_what_is_for_samples(confident, tmp_path):
    model, x, y = confident
    numbers = keras.Sequential([keras.Input((6,), name="x"), layers.Dense(5, name="digit")])
    path = tmp_path / "m.onnx"
    for decision in (
        uncertainty.TemperatureScaling(2.0),
        uncertainty.Threshold(0.5),
        uncertainty.conformal(model, x, y),
    ):
        with pytest.raises(ValueError, match=r"not class probabilities.*'digit'.*softmax"):
            kde.export_onnx(numbers, path, calibration=decision)
    within = uncertainty.calibrate(model, x, y, samples=4, within=True)
    with pytest.raises(ValueError, match="Put it at the end of the model"):
        kde.export_onnx(model, path, samples=4, calibration=within)
    sets = uncertainty.conformal(model, x, y)
    with pytest.raises(ValueError, match=r"`fixed_masks`\. Expected False where conformal"):
        kde.export_onnx(model, path, samples=4, calibration=sets, fixed_masks=True)
    of_two = uncertainty.conformal(x[:, :2], y=x[:, :2])
    with pytest.raises(ValueError, match=r"fits output 'digit'.*this one is for 2 units"):
        kde.export_onnx(numbers, path, calibration=of_two)
    assert not path.exists()


def test_a_temperature_within_samples_is_a_layer_of_the_model(confident, tmp_path):
    model, x, y = confident
    within = uncertainty.calibrate(model, x, y, samples=4, within=True)
    whole = keras.Sequential([model, within])
    kde.export_onnx(whole, tmp_path / "m.onnx", samples=4)
    got = answered(
        tmp_path / "m.onnx",
        {session_input(tmp_path / "m.onnx"): x[:50], "seed": kd.row_seeds(3, 50)},
    )
    prediction = kd.mc_predict(model, x[:50], 4, seed=3, verbose=False)
    wanted = within.scaled(prediction.samples, np).mean(axis=0)
    (name,) = [name for name in got if name.endswith("_mean")]
    np.testing.assert_allclose(got[name], wanted, rtol=1e-4, atol=1e-5)
    stripped = kde.strip_dropout(whole)
    assert any(isinstance(layer, uncertainty.TemperatureScaling) for layer in stripped.layers)


def test_intervals_of_several_numbers_are_in_the_file(tmp_path):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).normal(size=(200, 4)).astype("float32")
    y = x[:, :3] * [1.0, 10.0, 100.0]
    hidden = [layers.Dense(16, activation="relu"), layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((4,), name="x"), *hidden, layers.Dense(3, name="value")])
    for method, samples in (("absolute", None), ("scaled", 6)):
        found = uncertainty.conformal(model, x, y, method=method, samples=samples, seed=3)
        assert len(found.threshold) == 3
        kde.export_onnx(
            model, tmp_path / "m.onnx", samples=samples, calibration=found, overwrite=True
        )
        feeds = {"x": x} | ({"seed": kd.row_seeds(3, 200)} if samples else {})
        got = answered(tmp_path / "m.onnx", feeds)
        inside = (got["value_lower"] <= y) & (y <= got["value_upper"])
        np.testing.assert_allclose(inside.mean(axis=0), 0.905, rtol=0.0, atol=0.02)


def test_pixels_have_sets_in_the_file(tmp_path):
    keras.utils.set_random_seed(2)
    random = np.random.default_rng(2)
    x = random.normal(size=(20, 6, 5, 3)).astype("float32")
    y = random.integers(0, 4, (20, 6, 5))
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3), name="x"),
            layers.SpatialDropout2D(0.2),
            layers.Conv2D(4, 3, padding="same", activation="softmax", name="map"),
        ]
    )
    sets = uncertainty.conformal(model, x, y, method="aps", ignore_label=3)
    accept = uncertainty.Threshold(0.4)
    for samples in (None, 4):
        fitted = sets.for_samples(samples)
        path = tmp_path / f"{samples}.onnx"
        kde.export_onnx(model, path, samples=samples, calibration=[sets, accept])
        feeds = {"x": x} | ({"seed": kd.row_seeds(0, 20)} if samples else {})
        got = answered(path, feeds)
        mean = got["map_mean" if samples else "map"]
        assert got["map_set"].shape == (20, 6, 5, 4)
        assert got["map_accept"].shape == (20, 6, 5)
        assert np.mean(got["map_set"] != fitted(mean)) < 0.002
        known = y != 3
        covered = np.take_along_axis(got["map_set"], y[..., None], axis=-1)[..., 0][known]
        assert covered.mean() >= 0.9 - 0.02
        np.testing.assert_array_equal(got["map_accept"], accept.accepts(mean))
