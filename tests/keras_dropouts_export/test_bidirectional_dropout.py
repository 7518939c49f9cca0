"""Models with dropout in a Bidirectional, or around one, on their way out of training."""

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde

X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")
WAYS = {
    "inside": lambda wrapper: layers.Bidirectional(wrapper(layers.GRU(5), 0.4, seed=1)),
    "around": lambda wrapper: wrapper(layers.Bidirectional(layers.LSTM(5)), 0.4, seed=1),
    "repeated": lambda wrapper: layers.TimeDistributed(
        layers.Bidirectional(wrapper(layers.SimpleRNN(5), 0.4, seed=1))
    ),
}


def made(way, wrapper):
    inputs = keras.Input((6, 3), name="x")
    x = inputs if way != "repeated" else layers.Reshape((6, 3, 1))(inputs)
    return keras.Model(inputs, layers.Dense(2)(WAYS[way](wrapper)(x)))


@pytest.mark.parametrize("wrapper", [kd.VariationalRNN, kd.Zoneout])
@pytest.mark.parametrize("way", WAYS)
def test_it_is_stripped_and_frozen(way, wrapper, tmp_path):
    model = made(way, wrapper)
    wanted = model(X, training=False).numpy()
    stripped, frozen = kde.strip_dropout(model), kde.freeze_dropout(model)
    for new in (stripped, frozen):
        np.testing.assert_array_equal(new(X, training=False), wanted)
        new.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(again(X, training=False), wanted)
    np.testing.assert_array_equal(stripped(X, training=True), wanted)
    assert not [part for part in stripped._flatten_layers() if isinstance(part, wrapper)]
    assert np.abs(frozen(X, training=True) - wanted).max() > 0.0
    assert {row.what for row in kde.strip_report(stripped).rows} >= {"replaced"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "wrapper"), [("inside", kd.Zoneout), ("around", kd.VariationalRNN)]
)
def test_it_is_served(way, wrapper, tmp_path):
    model = made(way, wrapper)
    kde.export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    wanted = model(X, training=False)
    np.testing.assert_allclose(session.run(None, {"x": X})[0], wanted, rtol=1e-4, atol=1e-5)
    report = kde.export_onnx(model, tmp_path / "sampled.onnx", samples=3)
    assert report.parity


@pytest.mark.parametrize("trainable", [True, False])
def test_a_direction_s_state_is_carried_over(trainable):
    model = made("inside", kd.VariationalRNN)
    both = model.layers[1]
    both.backward_layer.rate = 0.1
    both.forward_layer.trainable = trainable
    new = kd.replace_dropout(model, lambda layer: None).layers[1]
    assert [new.forward_layer.rate, new.backward_layer.rate] == [0.4, 0.1]
    assert [new.forward_layer.trainable, new.backward_layer.trainable] == [trainable, True]
    assert [part.name for part in new._layers] == [part.name for part in both._layers]
