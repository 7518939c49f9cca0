"""Tests `calibration=` of exports: what onnxruntime and the SavedModel say beside an output."""

import json

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.decided_outputs import CALIBRATION

uncertainty = kd.uncertainty
SAMPLES, SEED = 6, 3


@pytest.fixture(scope="module")
def classes():
    """A trained classifier with dropout, held-out inputs and their classes."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(600, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)
    model = keras.Sequential(
        [
            keras.Input((4,), name="x"),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax", name="digit"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:300], y[:300], epochs=40, verbose=0)
    return model, x[300:], y[300:]


@pytest.fixture(scope="module")
def numbers():
    """A regressor with dropout, inputs and the numbers to predict."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).normal(size=(200, 4)).astype("float32")
    y = x[:, :1] * 2.0 + np.random.default_rng(2).normal(size=(200, 1)) * 0.3
    hidden = [layers.Dense(8, activation="relu"), layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((4,), name="x"), *hidden, layers.Dense(1, name="value")])
    return model, x, y


def served(path, x, samples):
    """Return what onnxruntime answers, by name."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {"x": x} | ({"seed": kd.row_seeds(SEED, len(x))} if samples else {})
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, feeds), strict=True))


def predicted(model, x, samples):
    if samples is None:
        return model.predict(x, verbose=0)
    return kd.mc_predict(model, x, samples, seed=SEED, verbose=False)


def assert_same(got, wanted, apart):
    """Assert that decisions are the wanted ones wherever rounding cannot turn them."""
    assert got.dtype == bool
    assert got.shape == wanted.shape
    assert apart.mean() > 0.7  # where a class is certain, its threshold is next to 0
    np.testing.assert_array_equal(got[apart], wanted[apart])


@pytest.mark.parametrize("samples", [None, SAMPLES])
@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_the_file_gives_the_sets(method, samples, classes, tmp_path):
    model, x, y = classes
    scale = uncertainty.calibrate(model, x, y)
    sets = uncertainty.conformal(model, x, y, method=method, by_class=True, calibration=scale)
    path = tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, samples=samples, calibration=sets)
    fitted = sets.for_samples(samples)
    assert (fitted is sets) == (samples is None)
    got, prediction = served(path, x, samples), predicted(model, x, samples)
    mean = prediction if samples is None else prediction.mean
    assert_same(got["digit_set"], fitted(prediction), fitted.margin(mean)["set"] > 1e-4)
    assert [str(each) for each in report.outputs][-1] == "digit_set: bool[batch, 3]"


@pytest.mark.parametrize("samples", [None, SAMPLES])
@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic"])
def test_the_file_gives_the_calibrated_probabilities(method, samples, classes, tmp_path):
    model, x, y = classes
    scale = uncertainty.calibrate(model, x, y, method=method)
    path = tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=samples, calibration=scale)
    got, prediction = served(path, x, samples), predicted(model, x, samples)
    mean = prediction if samples is None else prediction.mean
    np.testing.assert_allclose(
        got["digit_calibrated"], scale.scaled(mean, np), rtol=1e-3, atol=1e-5
    )
    name = "digit" if samples is None else "digit_mean"
    np.testing.assert_allclose(got[name], mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("score", "options"),
    [
        ("confidence", {}),
        ("entropy", {"reduce": None}),
        ("mutual_information", {"uncertainty": True}),
        ("mutual_information", {"reduce": None}),
    ],
)
def test_the_file_says_what_is_accepted(score, options, classes, tmp_path):
    model, x, y = classes
    prediction = predicted(model, x, SAMPLES)
    threshold = uncertainty.evaluate(prediction, y).threshold(risk=0.05, score=score)
    path = tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=SAMPLES, calibration=threshold, **options)
    got = served(path, x, SAMPLES)["digit_accept"]
    wanted = threshold.accepts(prediction)
    assert 0.0 < wanted.mean() < 1.0
    assert np.mean(got != wanted) <= 0.01  # the threshold lies half way between two certainties
    wrong = prediction.mean.argmax(axis=-1) != y
    assert wrong[got].mean() <= 0.06


@pytest.mark.parametrize(
    ("method", "samples"), [("absolute", None), ("absolute", SAMPLES), ("scaled", SAMPLES)]
)
def test_the_file_gives_intervals(method, samples, numbers, tmp_path):
    model, x, y = numbers
    found = uncertainty.conformal(model, x, y, method=method)
    more = [] if samples is None else [uncertainty.calibrate(model, x, y, method="std")]
    path = tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=samples, calibration=[found, *more])
    got, fitted = served(path, x, samples), found.for_samples(samples)
    low, high = fitted(predicted(model, x, samples))
    np.testing.assert_allclose(got["value_lower"], low, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["value_upper"], high, rtol=1e-4, atol=1e-5)
    for scale in more:
        wanted = scale.scaled(predicted(model, x, samples).std, np)
        np.testing.assert_allclose(got["value_calibrated_std"], wanted, rtol=1e-4, atol=1e-6)
    assert np.mean((got["value_lower"] <= y) & (y <= got["value_upper"])) >= 0.85


def test_quantiles_are_two_units(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(2, name="ends")])
    found = uncertainty.conformal(model, x, x[:, 0], method="quantile")
    kde.export_onnx(model, tmp_path / "m.onnx", calibration=found)
    got = served(tmp_path / "m.onnx", x, None)
    low, high = found(model.predict(x, verbose=0))
    np.testing.assert_allclose(got["ends_lower"], low, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["ends_upper"], high, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", [None, SAMPLES])
def test_verify_checks_them_and_says_the_coverage(samples, classes, tmp_path):
    model, x, y = classes
    sets = uncertainty.conformal(model, x[:150], y[:150], coverage=0.8)
    plain = uncertainty.evaluate(predicted(model, x, None), y).threshold(risk=0.1)
    path = tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=samples, calibration=[sets, plain])
    report = kde.verify(model, path, sample_inputs=x[150:], y=y[150:], seed=SEED)
    assert report.ok
    assert {row.output for row in report.rows} >= {"digit_set", "digit_accept"}
    by_set, by_accept = report.coverage
    got = served(path, x[150:], samples)
    inside = got["digit_set"][np.arange(150), y[150:]].mean()
    assert by_set.value == pytest.approx(inside, abs=0.02)
    assert (by_set.what, by_set.asked, by_set.rows) == ("coverage", 0.8, 150)
    assert by_set.low < by_set.value < by_set.high
    assert (by_accept.what, by_accept.asked) == ("risk", 0.1)
    assert "coverage of digit_set" in str(report)
    assert len(json.loads(report.to_json())["coverage"]) == 2


def test_verify_finds_another_threshold(classes, tmp_path):
    model, x, y = classes
    sets = uncertainty.conformal(model, x, y)
    kde.export_onnx(model, tmp_path / "m.onnx", calibration=sets)
    file = onnx.load(tmp_path / "m.onnx")
    for each in file.metadata_props:
        if each.key == CALIBRATION:
            known = json.loads(each.value)
            known["digit"][0]["thresholds"] = [0.2]
            each.value = json.dumps(known)
    onnx.save(file, tmp_path / "m.onnx")
    report = kde.verify(model, tmp_path / "m.onnx")
    assert not report.ok
    assert {row.output for row in report.rows if not row.ok} == {"digit_set"}


def test_the_file_describes_itself_and_tests_itself(classes, tmp_path):
    model, x, y = classes
    decisions = [uncertainty.conformal(model, x, y), uncertainty.calibrate(model, x, y)]
    labels = ["low", "middle", "high"]
    path = tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=SAMPLES, calibration=decisions, labels=labels)
    texts = {each.name: each.doc_string for each in onnx.load(path).graph.output}
    assert texts["digit_set"].startswith(
        "Which classes are in the prediction set of output 'digit'"
    )
    assert "low, middle, high" in texts["digit_calibrated"]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(inputs):
        return dict(zip(names, session.run(names, inputs), strict=True))

    assert kde.self_test(path, run).ok


@pytest.mark.parametrize("samples", [None, SAMPLES])
def test_a_saved_model_serves_them(samples, classes, tmp_path):
    model, x, y = classes
    sets = uncertainty.conformal(model, x, y)
    path = tmp_path / "served"
    kde.export_saved_model(model, path, samples=samples, calibration=sets)
    loaded = tf.saved_model.load(str(path))
    feeds = {"x": tf.constant(x)}
    key = "serving_default"
    if samples:
        key, feeds["seed"] = "serving_mc", tf.constant(kd.row_seeds(SEED, len(x)))
    got = loaded.signatures[key](**feeds)["digit_set"].numpy()
    fitted, prediction = sets.for_samples(samples), predicted(model, x, samples)
    mean = prediction if samples is None else prediction.mean
    assert_same(got, fitted(prediction), fitted.margin(mean)["set"] > 1e-4)
    assert loaded.serve(tf.constant(x)).shape == (300, 3)
    assert kde.verify(model, path, sample_inputs=x, y=y).coverage[0].output == "digit_set"


def test_several_outputs_have_their_own(classes, tmp_path):
    model, x, y = classes
    inner = model(model.inputs[0])
    whole = keras.Model(model.inputs, {"digit": inner, "other": layers.Dense(2)(inner)})
    sets = uncertainty.conformal(model.predict(x, verbose=0), y=y)
    kde.export_onnx(whole, tmp_path / "m.onnx", calibration={"digit": sets})
    got = served(tmp_path / "m.onnx", x, None)
    assert set(got) == {"digit", "other", "digit_set"}
    assert_same(got["digit_set"], sets(got["digit"]), sets.margin(got["digit"])["set"] > 1e-4)
    with pytest.raises(ValueError, match=r"Expected a dict by the outputs \['digit', 'other'\]"):
        kde.export_onnx(whole, tmp_path / "n.onnx", calibration=sets)
    with pytest.raises(ValueError, match=r"Expected names of outputs.*\['score'\]"):
        kde.export_onnx(whole, tmp_path / "n.onnx", calibration={"score": sets})


def test_what_cannot_be_served_is_refused(classes, numbers, tmp_path):
    model, x, y = classes
    path = tmp_path / "m.onnx"
    prediction = predicted(model, x, 4)
    of_four = uncertainty.conformal(prediction, y=y)
    informed = uncertainty.evaluate(prediction, y).threshold(risk=0.1, score="mutual_information")
    five = uncertainty.TemperatureScaling(2.0), uncertainty.VectorScaling([1.0] * 5, [0.0] * 5)
    of_numbers = uncertainty.conformal(numbers[0], numbers[1], numbers[2], method="scaled")
    cases = [
        ({"calibration": 0.5}, "None, a calibration, what `kd.uncertainty.conformal` returns"),
        ({"calibration": []}, "None, a calibration"),
        ({"calibration": of_four, "samples": 8}, "fitted on 8 samples"),
        ({"calibration": of_four}, "fitted on a prediction without dropout"),
        ({"calibration": informed, "samples": 4}, "argument `uncertainty`"),
        ({"calibration": informed}, "it needs mutual_information"),
        ({"calibration": five[1]}, "this one is for 5 classes"),
        ({"calibration": [five[0], five[0]]}, "what adds one output 'digit_calibrated'"),
        ({"calibration": of_numbers}, "it needs std"),
        ({"calibration": five[0], "dtype": "float16"}, "None with `dtype` or `quantize`"),
    ]
    for options, said in cases:
        with pytest.raises(ValueError, match="Invalid value for argument") as raised:
            kde.export_onnx(model, path, **options)
        assert said in str(raised.value)
        assert not path.exists()
    kde.export_onnx(model, path)
    with pytest.raises(ValueError, match="the artifact decides nothing"):
        kde.verify(model, path, sample_inputs=x, y=y)
    with pytest.raises(ValueError, match="None without `sample_inputs`"):
        kde.verify(model, path, y=y)
