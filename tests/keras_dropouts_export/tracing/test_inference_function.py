"""Tests of the inference function: named outputs, no noise, and a model that is unchanged."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
from keras_dropouts_export import ExportError
from keras_dropouts_export.tracing.inference_function import inference_function
from served import Subclassed, data, dense_model, graph_model, image_model, inputs_of


def names(model):
    return [each.name for each in inference_function(model).outputs]


def test_outputs_are_called_as_their_keys_or_the_layers_that_make_them():
    assert names(graph_model()) == ["mean", "raw"]
    assert names(dense_model()) == ["score"]
    assert names(image_model()) == ["digit"]  # the dropout after it makes nothing
    x = keras.Input((6, 4), name="x")
    outputs = keras.layers.LSTM(3, return_state=True, name="lstm")(x)
    assert names(keras.Model(x, outputs)) == ["lstm", "lstm_1", "lstm_2"]
    nested = keras.Model(x, {"a": [x * 2, x + 1], "x": x})
    assert names(nested) == ["a_0", "a_1", "x_1"]


def test_a_subclassed_model_has_an_output():
    model = Subclassed()
    model(data(2, 3))
    assert names(model) == ["output"]


@pytest.mark.parametrize("make", [dense_model, image_model, graph_model])
def test_it_gives_what_the_model_gives_at_inference(make):
    model = make()
    function = inference_function(model)
    x = inputs_of(model)
    flat = dict(zip([each.name for each in function.inputs], keras.tree.flatten(x), strict=True))
    wanted = keras.tree.flatten(model(x, training=False))
    for got, each in zip(function(flat).values(), wanted, strict=True):
        np.testing.assert_allclose(got, each, rtol=1e-5, atol=1e-6)


def test_the_model_is_as_it_was():
    model = graph_model()
    model.compile("sgd", "mse")
    nodes = [len(each._inbound_nodes) for each in model.operations]
    before = [w.copy() for w in model.get_weights()]
    inference_function(model)
    assert [len(each._inbound_nodes) for each in model.operations] == nodes
    assert model.compiled
    assert model.train_function is None
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_bad_models_are_refused():
    with pytest.raises(ValueError, match=r"Expected a keras\.Model"):
        inference_function(None)
    with pytest.raises(ValueError, match="Expected a built model"):
        inference_function(keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(ExportError, match=r"Model 'small' cannot be traced.*float32"):
        inference_function(dense_model(), keras.InputSpec(shape=(None, 9), dtype="float32"))


def without_input(*more):
    """Return a Sequential model that learned its input shape from its first call, on 3 rows."""
    model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dropout(0.5), *more])
    model(np.ones((3, 6), "float32"))
    return model


@pytest.mark.parametrize("how", ["call", "predict"])
def test_a_sequential_model_without_input_has_a_dynamic_batch(how, tmp_path):
    model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dropout(0.5)])
    x = np.random.default_rng(0).standard_normal((40, 6)).astype("float32")
    model(x[:3]) if how == "call" else model.predict(x, verbose=0)
    kde.export_onnx(model, tmp_path / "m.onnx")
    kde.export_saved_model(model, tmp_path / "m")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (given,) = session.get_inputs()
    assert given.shape == ["batch", 6]
    served = tf.saved_model.load(tmp_path / "m")
    for rows in (1, 3, 32, 40):
        wanted = model(x[:rows], training=False).numpy()
        assert wanted.shape == (rows, 4)
        np.testing.assert_allclose(session.run(None, {given.name: x[:rows]})[0], wanted, atol=1e-5)
        np.testing.assert_allclose(served.serve(x[:rows]), wanted, atol=1e-5, rtol=1e-4)
    stripped = kde.strip_dropout(model)
    assert stripped.inputs[0].shape == (None, 6)
    np.testing.assert_array_equal(stripped(x[:5]), model(x[:5], training=False))


def test_a_batch_that_the_model_depends_on_stays(tmp_path):
    model = without_input(keras.layers.Lambda(lambda x: keras.ops.reshape(x, (3, 2, 2))))
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    assert report.inputs[0].shape == (3, 6)
    assert kde.strip_dropout(model).inputs[0].shape == (3, 6)


def test_a_signature_fixes_the_batch(tmp_path):
    spec = tf.TensorSpec([2, 6], "float32")
    report = kde.export_onnx(without_input(), tmp_path / "m.onnx", input_signature=spec)
    assert report.inputs[0].shape == (2, 6)
