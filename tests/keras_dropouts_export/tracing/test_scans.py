"""Tests that models with `keras.ops.associative_scan` leave training, which Keras traces badly."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers, ops

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.keras_internals.scans import traceable_scans
from runtimes import assert_serves, inputs_for


class Recurrence(layers.Layer):
    """A linear recurrence, with what asks for the shape of its output beside it."""

    def __init__(self, reverse=False, **kwargs):
        super().__init__(**kwargs)
        self.reverse = reverse
        self.drop = layers.Dropout(0.5)

    def call(self, inputs):
        decay, x = inputs

        def both(left, right):
            return left[0] * right[0], right[0] * left[1] + right[1]

        state = ops.associative_scan(both, (decay, x), reverse=self.reverse, axis=1)[1]
        return x + self.drop(state) * ops.cast(ops.shape(state)[-1], "float32")

    def compute_output_shape(self, shapes):
        return shapes[1]

    def get_config(self):
        return {**super().get_config(), "reverse": self.reverse}


def scanning(length=7, reverse=False):
    x = keras.Input((length, 4), name="x")
    decay = layers.Dense(4, activation="sigmoid")(x)
    y = x + kd.DropPath(0.5)(layers.Dropout(0.5)(Recurrence(reverse)([decay, x])))
    return keras.Model(x, layers.Dense(2)(layers.LayerNormalization()(y)))


class Whole(keras.Model):
    """A subclassed model that scans in its own `call`."""

    def __init__(self):
        super().__init__()
        self.drop, self.last = layers.Dropout(0.5), layers.Dense(2)

    def call(self, x):
        return self.last(self.drop(x + ops.associative_scan(ops.add, x, axis=1)))


@pytest.mark.parametrize("export", [kde.export_onnx, kde.export_saved_model])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [2, 3, 6, 13, None])
def test_artifacts_answer_what_the_model_does(length, reverse, export, tmp_path):
    model = scanning(length, reverse)
    report = export(model, tmp_path / ("m.onnx" if export is kde.export_onnx else "m"))
    for size in (2, 11) if length is None else (length,):
        assert_serves(model, report, inputs_for(report, length=size))


def test_a_stripped_model_is_the_same_function():
    model = scanning()
    x = np.random.default_rng(1).normal(size=(3, 7, 4)).astype("float32")
    np.testing.assert_array_equal(kde.strip_dropout(model)(x), model(x, training=False))


def test_a_subclassed_model_that_scans(tmp_path):
    model = Whole()
    model(np.ones((2, 5, 4), "float32"))
    given = keras.InputSpec(shape=(None, 5, 4), dtype="float32")
    report = kde.export_onnx(model, tmp_path / "m.onnx", input_signature=given)
    assert_serves(model, report, signature=given)


def test_samples_in_a_file_are_those_of_the_model(tmp_path):
    model = scanning()
    x = np.random.default_rng(1).normal(size=(3, 7, 4)).astype("float32")
    wanted = kd.mc_predict(model, x, samples=4, seed=6, verbose=False).samples
    report = kde.export_onnx(model, tmp_path / "m.onnx", samples=4, reduce=None)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    (got,) = session.run(None, {"x": x, report.inputs[-1].name: kd.row_seeds(6, 3)})
    np.testing.assert_allclose(np.moveaxis(got, 1, 0), wanted, atol=1e-5, rtol=1e-4)
    assert np.std(wanted, axis=0).max() > 0.01


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", range(1, 18))
def test_a_scan_is_that_of_numpy(length, reverse):
    x = np.random.default_rng(1).normal(size=(2, length, 3)).astype("float32")
    wanted = x[:, ::-1].cumsum(1)[:, ::-1] if reverse else x.cumsum(1)
    for size in (length, None):
        function = tf.function(
            lambda x: ops.associative_scan(ops.add, x, reverse=reverse, axis=-2),
            input_signature=[tf.TensorSpec((None, size, 3))],
            autograph=False,
        )
        with traceable_scans():
            got = function(x)
        np.testing.assert_allclose(got, wanted, atol=1e-5, rtol=1e-5)
        assert function.get_concrete_function().outputs[0].shape.as_list() == [None, size, 3]
