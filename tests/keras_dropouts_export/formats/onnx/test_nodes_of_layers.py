"""Tests of the nodes that single layers leave in an ONNX file, where fewer run faster."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from packaging.version import Version

import keras_dropouts_export as kde

KERAS = Version(keras.__version__)
RECURRENT = {
    "lstm": lambda rate: layers.LSTM(3, recurrent_dropout=rate, dropout=rate),
    "sequences": lambda rate: layers.LSTM(3, recurrent_dropout=rate, return_sequences=True),
    "cell": lambda rate: layers.RNN(layers.LSTMCell(3, recurrent_dropout=rate)),
    "both ways": lambda rate: layers.Bidirectional(layers.LSTM(3, recurrent_dropout=rate)),
    "no bias": lambda rate: layers.LSTM(3, recurrent_dropout=rate, use_bias=False),
}
FLAT = {
    "conv": [layers.Conv2D(3, 2), layers.Flatten()],
    "pool": [layers.Conv2D(3, 2), layers.MaxPooling2D(), layers.Flatten()],
    "alone": [layers.Flatten()],
    "reshape": [layers.Conv2D(4, 3), layers.Reshape((6, 24))],
}


def nodes_of(model, path):
    kde.export_onnx(model, path)
    return [node.op_type for node in onnx.load(path).graph.node]


def check(model, path, shape):
    session = onnxruntime.InferenceSession(path)
    x = np.random.default_rng(1).standard_normal((5, *shape)).astype("float32")
    wanted = model(x, training=False)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", RECURRENT)
def test_an_lstm_with_dropout_of_its_state_is_one_node(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 4), name="x"), RECURRENT[name](0.3)])
    found = nodes_of(model, tmp_path / "m.onnx")
    plain = keras.Sequential([keras.Input((None, 4), name="x"), RECURRENT[name](0.0)])
    # Sorted, as tf2onnx writes independent nodes in an order that differs between processes.
    assert sorted(found) == sorted(nodes_of(plain, tmp_path / "plain.onnx"))
    # With Keras 3.10 and TensorFlow 2.19 a layer without dropout leaves as a loop, too.
    assert found.count("LSTM") == 1 or Version("3.15") > KERAS
    check(model, tmp_path / "m.onnx", (7, 4))
    cells = [part for part in model._flatten_layers() if isinstance(part, layers.LSTMCell)]
    assert {cell.implementation for cell in cells} == {1}


@pytest.mark.parametrize("name", FLAT)
def test_a_flatten_is_one_reshape(name, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1), name="x"), *FLAT[name]])
    found = nodes_of(model, tmp_path / "m.onnx")
    assert "Shape" not in found
    assert "Concat" not in found
    check(model, tmp_path / "m.onnx", (8, 8, 1))


def test_an_empty_batch_is_flattened(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1), name="x"), *FLAT["conv"], layers.Dense(2)])
    kde.export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert session.run(None, {"x": np.zeros((0, 8, 8, 1), "float32")})[0].shape == (0, 2)
