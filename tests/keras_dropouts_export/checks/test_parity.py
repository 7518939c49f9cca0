"""Tests that parity accepts what is equal and refuses each kind of difference."""

import json
import math

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.checks.tolerances import TOLERANCE
from runtimes import assert_serves
from served import dense_model, graph_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    keras.utils.set_random_seed(20)
    folder = tmp_path_factory.mktemp("exported")
    model = graph_model()
    kde.export_onnx(model, folder / "m.onnx")
    kde.export_saved_model(model, folder / "m")
    return model, folder


@pytest.mark.parametrize("name", ["m.onnx", "m"])
def test_an_artifact_equals_its_model(exported, name):
    model, folder = exported
    report = kde.verify(model, folder / name)
    assert report.ok
    assert report.max_abs_error < 1e-5
    assert {row.batch for row in report.rows} == {1, 2, 7}
    assert {row.output for row in report.rows} == {"mean", "raw"}
    runtimes = {"onnxruntime", "onnxruntime plain"} if name == "m.onnx" else {"SavedModel"}
    assert {row.runtime for row in report.rows} == runtimes
    assert "equal" in str(report)
    said = json.loads(report.to_json())
    assert said["ok"] is True
    assert len(said["rows"]) == len(report.rows)


@pytest.mark.parametrize("name", ["m.onnx", "m"])
def test_other_weights_are_seen(exported, name):
    model, folder = exported
    other = keras.models.clone_model(model)
    other.set_weights([w + 0.1 for w in model.get_weights()])
    report = kde.verify(other, folder / name)
    assert not report.ok
    assert "NOT equal" in str(report)


def test_a_weight_that_is_off_by_a_thousandth_is_seen(tmp_path):
    model = dense_model()
    kde.export_onnx(model, tmp_path / "m.onnx")
    model.get_layer("score").bias.assign_add([0.001, 0.0])
    report = kde.verify(model, tmp_path / "m.onnx")
    assert not report.ok
    assert report.max_abs_error == pytest.approx(0.001, rel=0.05)
    assert kde.verify(model, tmp_path / "m.onnx", atol=0.01).ok


def test_an_artifact_with_another_interface_is_refused(exported):
    _, folder = exported
    for name in ("m.onnx", "m"):
        with pytest.raises(ValueError, match="Expected an artifact of model 'small'"):
            kde.verify(dense_model(), folder / name)


def test_noise_in_an_artifact_is_seen(tmp_path):
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, name="y")])
    noise = keras.layers.Dropout(0.5)

    def serve(x):
        return {"y": noise(model(x), training=True)}

    module = tf.Module()
    module.state = [noise.seed_generator.state.value, *(w.value for w in model.weights)]
    module.f = tf.function(serve, input_signature=[tf.TensorSpec([None, 4], name="x")])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": module.f})
    report = kde.verify(model, tmp_path / "m")
    assert not report.ok
    assert not all(row.repeatable for row in report.rows)
    assert "differs between runs" in str(report)


def test_a_saved_model_without_a_signature_is_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "m"))
    with pytest.raises(ValueError, match="with the signature `serving_default`"):
        kde.verify(dense_model(), tmp_path / "m")


def test_a_file_that_onnxruntime_does_not_load_is_refused(tmp_path):
    kde.export_onnx(dense_model(), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.node[0].domain = "their.domain"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="Expected a file that onnxruntime loads"):
        kde.verify(dense_model(), tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match="Expected a whole ONNX file"):
        kde.verify(dense_model(), tmp_path / "m.onnx")


def test_inputs_are_seeded(exported):
    model, folder = exported
    first, again, other = (kde.verify(model, folder / "m.onnx", seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_bad_arguments_are_refused(exported):
    model, folder = exported
    with pytest.raises(
        FileNotFoundError, match=r"Expected an \.onnx file or a SavedModel folder.* that exists"
    ):
        kde.verify(model, folder / "none.onnx")
    with pytest.raises(ValueError, match=r"Expected a keras\.Model"):
        kde.verify("m", folder / "m.onnx")
    for name in ("atol", "rtol"):
        for bad in (-1.0, math.nan, math.inf, "0"):
            with pytest.raises(ValueError, match=f"Invalid value for argument `{name}`"):
                kde.verify(model, folder / "m.onnx", **{name: bad})
    for bad in (None, -1, 0.5, "0"):
        with pytest.raises(ValueError, match="Invalid value for argument `seed`"):
            kde.verify(model, folder / "m.onnx", seed=bad)


NAN, INF = np.float32(np.nan), np.float32(np.inf)


@pytest.mark.parametrize(
    ("got", "wanted", "error"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([NAN, INF, 1.0], [NAN, INF, 1.0], 0.0),
        ([NAN, 1.0], [1.0, 1.0], math.inf),
        ([1.0, 1.0], [NAN, 1.0], math.inf),
        ([INF], [-INF], math.inf),
        ([[1.0]], [1.0], math.inf),
        ([], [], 0.0),
    ],
)
def test_the_largest_error(got, wanted, error):
    assert largest_error(np.array(got, "float32"), np.array(wanted, "float32")) == error


def test_integers_must_be_equal():
    assert largest_error(np.array([1, 2]), np.array([1, 2])) == 0.0
    assert largest_error(np.array([1, 2]), np.array([1, 3])) == math.inf


def test_there_is_a_tolerance_for_every_float():
    assert set(TOLERANCE) == {"float16", "bfloat16", "float32", "float64"}


def test_int_inputs_stay_inside_the_embedding(tmp_path):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x = keras.layers.Embedding(5, 4)(tokens)
    x = keras.layers.GlobalAveragePooling1D()(x, mask=mask)
    model = keras.Model([tokens, mask], x)
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx"))


def test_an_image_model_with_dynamic_sizes(tmp_path):
    x = keras.Input((None, None, 3))
    y = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(2, 5, strides=2)(x))
    model = keras.Model(x, y)
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx"))
