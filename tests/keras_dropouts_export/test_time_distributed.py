"""Tests that TimeDistributed over a dynamic time axis leaves training whole."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.tracing import inference_mode


def tagger(dropout=0.0):
    """Return the usual tagger: a class for each word of a sentence of any length."""
    return keras.Sequential(
        [
            keras.Input((None, 3), name="words"),
            layers.LSTM(4, return_sequences=True),
            kd.ScheduledDropout(dropout),
            layers.TimeDistributed(layers.Dense(3, activation="softmax"), name="tags"),
        ]
    )


def masked_tagger():
    inputs = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(9, 4, mask_zero=True)(inputs)
    x = layers.TimeDistributed(layers.Dense(5, activation="relu"))(x)
    x = layers.GRU(4, return_sequences=True)(x)
    return keras.Model(inputs, layers.TimeDistributed(layers.Dense(2), name="tags")(x))


def video():
    """Return a model of frames, in which a whole net runs for each time step."""
    frame = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]
    )
    inputs = keras.Input((None, 8, 8, 1), name="words")
    return keras.Model(inputs, layers.TimeDistributed(frame, name="tags")(inputs))


MODELS = {"tagger": tagger, "masked": masked_tagger, "video": video}


def data(model, batch, time):
    random = np.random.default_rng(batch)
    shape = (batch, time, *model.inputs[0].shape[2:])
    if model.inputs[0].dtype == "int32":
        return random.integers(1, 9, shape).astype("int32")
    return random.standard_normal(shape).astype("float32")


@pytest.mark.parametrize("name", MODELS)
def test_all_time_steps_are_served(name, tmp_path):
    model = MODELS[name]()
    kde.export_onnx(model, tmp_path / "m.onnx")
    kde.export_saved_model(model, tmp_path / "m")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    served = tf.saved_model.load(tmp_path / "m")
    for sizes in ((2, 6), (6, 2), (1, 5), (5, 1), (3, 3)):
        x = data(model, *sizes)
        wanted = model(x, training=False).numpy()
        assert wanted.shape[:2] == sizes
        for got in (session.run(["tags"], {"words": x})[0], served.serve(x).numpy()):
            np.testing.assert_allclose(got, wanted, atol=1e-5, rtol=1e-4)


def test_a_graph_that_is_traced_wrongly_is_no_export(tmp_path, monkeypatch):
    """Without the mend the graph is cut to the batch, and the comparison says so."""
    from contextlib import nullcontext

    monkeypatch.setattr(inference_mode, "right_time_axis", nullcontext)
    for export, name in ((kde.export_onnx, "m.onnx"), (kde.export_saved_model, "m")):
        with pytest.raises(kde.ExportError, match=r"(?s)outputs are not the model's.*differs"):
            export(tagger(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_verify_says_so_of_a_file_that_exists(tmp_path):
    model = tagger()
    model.export(tmp_path / "plain", verbose=False)  # Keras's own export, which is cut
    served = tf.saved_model.load(tmp_path / "plain")
    assert served.serve(data(model, 2, 6)).shape == (2, 2, 3)
    kde.export_saved_model(model, tmp_path / "ours")
    assert kde.verify(model, tmp_path / "ours").ok


def test_samples_of_all_time_steps(tmp_path):
    model = tagger(0.5)
    kde.export_onnx(model, tmp_path / "m.onnx", samples=3, reduce=None)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    for sizes in ((2, 6), (6, 2), (4, 9)):
        x = data(model, *sizes)
        wanted = kd.mc_predict(model, x, samples=3, seed=5, verbose=False).samples
        assert wanted.shape == (3, *sizes, 3)
        got = session.run(["tags_samples"], {"words": x, "seed": kd.row_seeds(5, len(x))})[0]
        np.testing.assert_allclose(np.moveaxis(got, 1, 0), wanted, atol=1e-5, rtol=1e-4)


@keras.saving.register_keras_serializable("tests")
class Centred(layers.Layer):
    """A user's layer that mixes the rows of a batch, so that time steps cannot become rows."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)

    def compute_output_shape(self, shape):
        return shape


def test_a_users_layer_takes_one_time_step_after_the_other(tmp_path):
    inputs = keras.Input((None, 3), name="words")
    model = keras.Model(inputs, layers.TimeDistributed(Centred(), name="tags")(inputs))
    kde.export_saved_model(model, tmp_path / "m")
    served = tf.saved_model.load(tmp_path / "m")
    for sizes in ((2, 6), (6, 2), (4, 9)):
        x = data(model, *sizes)
        wanted = x - x.mean(axis=0, keepdims=True)
        np.testing.assert_allclose(served.serve(x), wanted, atol=1e-6, rtol=1e-5)


def test_samples_of_a_users_layer_do_not_depend_on_what_was_traced(tmp_path):
    inside = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5), Doubled()])
    inputs = keras.Input((None, 3), name="words")
    model = keras.Model(inputs, layers.TimeDistributed(inside, name="tags")(inputs))
    x = np.ones((2, 5, 3), "float32")
    first = kd.mc_predict(model, x, 4, seed=2, verbose=False).samples
    for length in (6, 7, 8):
        kd.mc_predict(model, np.ones((2, length, 3), "float32"), 4, seed=2, verbose=False)
    again = kd.mc_predict(model, x, 4, seed=2, verbose=False).samples
    np.testing.assert_array_equal(again, first)
    assert set(np.unique(first)) == {0.0, 4.0}


@keras.saving.register_keras_serializable("tests")
class Doubled(layers.Layer):
    """A user's layer that looks at each number alone."""

    def call(self, x):
        return 2.0 * x

    def compute_output_shape(self, shape):
        return shape
