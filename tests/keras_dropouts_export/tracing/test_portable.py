"""Tests of what ONNX cannot hold as it is: compiled functions and bfloat16."""

import keras
import numpy as np
import onnx
import tensorflow as tf

import keras_dropouts_export as kde
import zoo
from keras_dropouts_export.tracing.inference_function import inference_function
from keras_dropouts_export.tracing.portable import portable
from runtimes import assert_serves
from served import data, dense_model


def types_of(function):
    return {each.type for each in function.concrete.graph.get_operations()}


def test_most_functions_stay_as_they_are():
    function = inference_function(dense_model())
    assert portable(function) is function


def test_a_grouped_convolution_is_written_out(tmp_path):
    """https://github.com/onnx/tensorflow-onnx writes a node that is no ONNX for such a call."""
    model = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(8, 3, groups=2)])
    function = inference_function(model)
    assert "StatefulPartitionedCall" in types_of(function)
    assert "StatefulPartitionedCall" not in types_of(portable(function))
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx"))
    assert not tf.config.functions_run_eagerly()


def test_bfloat16_becomes_float32_with_its_interface(tmp_path):
    model = zoo.ZOO["mixed_bfloat16"]()
    policies = [layer.dtype_policy.name for layer in model.layers]
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    assert {each.dtype for each in (*report.inputs, *report.outputs)} == {"float32"}
    types = {each.data_type for each in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert onnx.TensorProto.BFLOAT16 not in types
    assert [layer.dtype_policy.name for layer in model.layers] == policies
    assert model(data(2, 6)).dtype == "bfloat16"


def test_weights_that_are_bfloat16_themselves(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, dtype="bfloat16")])
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx"))


def test_weights_become_inputs():
    model = dense_model()
    kernel = model.get_layer("hidden").kernel
    function = portable(inference_function(model), [kernel])
    assert [each.name for each in function.inputs] == ["features", kernel.path]
    x = {"features": data(2, 4), kernel.path: np.zeros((4, 3), "float32")}
    np.testing.assert_allclose(function(x)["score"], np.zeros((2, 2)), atol=1e-7, rtol=0)
