"""Tests that tf2onnx's logged errors are raised, and that its log is not printed."""

import logging

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.tf2onnx import adapter
from served import data


def convert(function, *specs, opset=18):
    concrete = tf.function(function, input_signature=list(specs)).get_concrete_function()
    return adapter.convert(concrete, opset)


def run(model, *inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


FLOATS = tf.TensorSpec([None, 4], name="x")


def test_an_unknown_operation_is_an_error_that_names_it():
    def layer(x):
        with tf.name_scope("my_layer"):
            return tf.math.betainc(1.0, 2.0, x)

    with pytest.raises(kde.ExportError, match=r"opset 18 has no counterpart.*Betainc in 'my_layer"):
        convert(layer, FLOATS)


def test_the_logger_is_as_it_was():
    logger = logging.getLogger("tf2onnx")
    before = logger.handlers[:], logger.propagate, logger.level
    convert(lambda x: x * 2.0, FLOATS)
    assert (logger.handlers[:], logger.propagate, logger.level) == before


def test_captured_constants_do_not_come_out_as_inputs():
    constant = tf.constant(data(4))
    model = convert(lambda x: x * constant, FLOATS)
    assert len(model.graph.input) == 1
    np.testing.assert_allclose(run(model, data(2, 4))[0], data(2, 4) * data(4), rtol=1e-6)


@pytest.mark.parametrize("opset", [13, 18])
def test_erfc(opset):
    """https://github.com/onnx/tensorflow-onnx has no Erfc; every exact gelu of Keras uses it."""
    x = np.linspace(-6, 6, 400, dtype="float32").reshape(100, 4)
    got = run(convert(tf.math.erfc, FLOATS, opset=opset), x)[0]
    np.testing.assert_allclose(got, tf.math.erfc(x), rtol=0, atol=3e-7)


def test_gelu(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Activation("gelu")])
    assert kde.export_onnx(model, tmp_path / "m.onnx").parity.max_abs_error < 1e-6
