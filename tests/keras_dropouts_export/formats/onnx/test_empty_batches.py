"""A file answers an empty batch with an empty answer, with Monte-Carlo dropout and without."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts_export as kde


def attention():
    x = keras.Input((5, 4), name="x")
    return keras.Model(x, layers.Dropout(0.5)(layers.MultiHeadAttention(2, 2)(x, x)))


def of(shape, *parts, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype, name="x"), *parts])


MODELS = {
    "dense": lambda: of((4,), layers.Dense(3), layers.Dropout(0.5), layers.Dense(2)),
    "image": lambda: of((6, 6, 1), layers.Conv2D(2, 3), layers.Dropout(0.5), layers.Flatten()),
    "words": lambda: of(
        (5,), layers.Embedding(5, 4), layers.SpatialDropout1D(0.5), layers.Dense(2), dtype="int32"
    ),
    "attention": attention,
    # A GRU of other activations is a loop; as one node onnxruntime 1.32 ends the process.
    "gru": lambda: of((5, 4), layers.GRU(3, activation="relu"), layers.GaussianDropout(0.5)),
}


def sizes(path, x, **more):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [each.shape for each in session.run(None, {"x": x, **more})]


@pytest.mark.parametrize("name", MODELS)
def test_onnx(name, tmp_path):
    model = MODELS[name]()
    x = np.zeros((0, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    wanted = (0, *model.outputs[0].shape[1:])
    seed = np.zeros(0, "int64")
    kde.export_onnx(model, tmp_path / "samples.onnx", samples=3)
    assert sizes(tmp_path / "samples.onnx", x, seed=seed) == [wanted, wanted]
    kde.export_onnx(model, tmp_path / "all.onnx", samples=3, reduce=None, chunk_size=2)
    assert sizes(tmp_path / "all.onnx", x, seed=seed) == [(0, 3, *wanted[1:])]
    kde.export_onnx(model, tmp_path / "plain.onnx")
    assert sizes(tmp_path / "plain.onnx", x) == [wanted]


@pytest.mark.parametrize("name", ["dense", "attention"])
def test_saved_model(name, tmp_path):
    model = MODELS[name]()
    x = tf.zeros((0, *model.inputs[0].shape[1:]))
    kde.export_saved_model(model, tmp_path / "m", samples=3)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    wanted = tuple(model(x, training=False).shape)
    for key, more in (("serving_default", {}), ("serving_mc", {"seed": tf.zeros(0, tf.int64)})):
        answers = loaded.signatures[key](x=x, **more)
        assert {tuple(value.shape) for value in answers.values()} == {wanted}
