"""Tests of the nodes that single layers leave in an ONNX file, where fewer run faster."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from packaging.version import Version

import keras_dropouts as kd
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


GRUS = {
    "gru": [layers.GRU(3, recurrent_dropout=0.3, dropout=0.2)],
    "plain": [layers.GRU(3)],
    "reset before": [layers.GRU(3, reset_after=False, recurrent_dropout=0.3)],
    "sequences": [layers.GRU(3, return_sequences=True), layers.GRU(2)],
    "backwards": [layers.GRU(3, go_backwards=True, return_sequences=True)],
    "no bias": [layers.GRU(3, use_bias=False)],
    "no bias, reset before": [layers.GRU(3, use_bias=False, reset_after=False)],
    "cell": [layers.RNN(layers.GRUCell(3), return_sequences=True)],
    "both ways": [
        layers.Bidirectional(layers.GRU(3, recurrent_dropout=0.1, return_sequences=True))
    ],
    "wide": [layers.GRU(40, bias_initializer="uniform")],
}
LOOPS = {
    "relu": layers.GRU(3, activation="relu"),
    "hard": layers.GRU(3, recurrent_activation="hard_sigmoid"),
}


@pytest.mark.parametrize("name", GRUS)
def test_a_gru_is_one_node(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 4), name="x"), *GRUS[name]])
    for weight in model.weights:  # biases begin as zeros
        weight.assign(np.random.default_rng(0).standard_normal(weight.shape) / 2)
    found = nodes_of(model, tmp_path / "m.onnx")
    count = 2 if name in ("sequences", "both ways") else 1
    assert found.count("GRU") == count
    assert "Loop" not in found
    check(model, tmp_path / "m.onnx", (7, 4))


@pytest.mark.parametrize("name", LOOPS)
def test_a_gru_of_other_activations_is_a_loop(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 4), name="x"), LOOPS[name]])
    assert "Loop" in nodes_of(model, tmp_path / "m.onnx")
    check(model, tmp_path / "m.onnx", (7, 4))


def test_a_gru_with_a_padding_mask_is_right(tmp_path):
    x = keras.Input((None, 4), name="x")
    masked = layers.Masking()(x)
    model = keras.Model(x, layers.GRU(3, return_sequences=True)(masked))
    kde.export_onnx(model, tmp_path / "m.onnx")
    value = np.random.default_rng(1).standard_normal((3, 6, 4)).astype("float32")
    value[0, 4:] = 0.0
    value[1, 1] = 0.0
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    wanted = model(value, training=False)
    np.testing.assert_allclose(session.run(None, {"x": value})[0], wanted, atol=1e-6, rtol=1e-5)


def test_the_state_of_a_gru_goes_in_and_comes_out(tmp_path):
    x, state = keras.Input((None, 4), name="x"), keras.Input((3,), name="state")
    gru = layers.GRU(3, return_sequences=True, return_state=True)
    model = keras.Model([x, state], gru(x, initial_state=state))
    kde.export_onnx(model, tmp_path / "m.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node].count("GRU") == 1
    random = np.random.default_rng(1)
    value = random.standard_normal((5, 6, 4)).astype("float32")
    before = random.standard_normal((5, 3)).astype("float32")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    got = session.run(None, {"x": value, "state": before})
    for each, wanted in zip(got, model([value, before], training=False), strict=True):
        np.testing.assert_allclose(each, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_a_gru_of_another_dtype_is_right(dtype, tmp_path):
    x = keras.Input((None, 4), name="x", dtype="float32")
    model = keras.Model(x, layers.GRU(3, dtype=dtype)(x))
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    value = np.random.default_rng(1).standard_normal((5, 6, 4)).astype("float32")
    got = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": value})[0]
    wanted = np.asarray(keras.ops.cast(model(value, training=False), "float64"))
    tolerance = {"float64": 1e-6}.get(dtype, 2e-2)  # of half precision
    np.testing.assert_allclose(got.astype("float64"), wanted, atol=tolerance, rtol=tolerance)
    assert report.parity.ok


@pytest.mark.parametrize("rates", [{}, {"dropout": 0.3}, {"recurrent_dropout": 0.3}])
def test_a_gru_of_samples_is_one_node_where_it_does_not_drop(rates, tmp_path):
    rnn = layers.GRU(3, **rates)
    rows = [keras.Input((None, 4), name="x"), rnn, layers.Dropout(0.5), layers.Dense(2)]
    model = keras.Sequential(rows)
    kde.export_onnx(model, tmp_path / "m.onnx", samples=4)
    found = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert found.count("GRU") == (not rates)
    value = np.random.default_rng(1).standard_normal((5, 6, 4)).astype("float32")
    got = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(
        None, {"x": value, "seed": kd.row_seeds(7, 5)}
    )
    wanted = kd.mc_predict(model, value, samples=4, seed=7)
    np.testing.assert_allclose(got[0], wanted.mean, atol=1e-5, rtol=1e-4)
