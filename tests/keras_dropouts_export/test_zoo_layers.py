"""Tests every layer of Keras through strip, SavedModel, ONNX and verify."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
import zoo_layers
from runtimes import assert_serves

LACKING = zoo_layers.LACKING

# With channels first, and with dilated transposed kernels: on a CPU TensorFlow rewrites a graph.
IN_GRAPHS_ALONE = ("Conv2D+", "Conv2DTranspose++++")


@pytest.mark.parametrize("name", zoo_layers.ZOO)
def test_layer(name, tmp_path):
    keras.utils.set_random_seed(4)
    model = zoo_layers.ZOO[name]()
    stripped, eager = kde.strip_dropout(model), name not in IN_GRAPHS_ALONE
    assert_serves(stripped, kde.export_saved_model(model, tmp_path / "m"), eager=eager)
    assert_serves(stripped, kde.export_onnx(model, tmp_path / "m.onnx"), eager=eager)


def test_no_layer_of_keras_is_left_out():
    classes = {
        each.__name__  # of one class under several names, too
        for each in vars(keras.layers).values()
        if inspect.isclass(each)
    }
    names = {name.rstrip("+") for name in zoo_layers.ZOO}
    tried = {getattr(keras.layers, name).__name__ for name in names if hasattr(keras.layers, name)}
    known = {*zoo_layers.NOT_ALONE, *zoo_layers.OF_STRINGS, *zoo_layers.NOT_IN_A_GRAPH}
    assert classes - known == tried


@pytest.mark.parametrize("name", zoo_layers.OF_STRINGS)
def test_layers_of_strings_are_served_by_a_saved_model_and_a_clear_error_in_onnx(name, tmp_path):
    arguments = {"num_bins": 3} if "Hash" in name else {"vocabulary": ["a", "b"]}
    inputs = [keras.Input((1,), dtype="string", name=each) for each in "ab"]
    if name != "HashedCrossing":
        inputs = inputs[0]
    model = keras.Model(inputs, getattr(keras.layers, name)(**arguments)(inputs))
    with pytest.raises(kde.ExportError, match=r"takes strings .*Turn them into numbers before"):
        kde.export_onnx(model, tmp_path / "m.onnx")
    kde.export_saved_model(model, tmp_path / "m")
    words = {key: tf.constant([["a"], ["b"], ["other"]]) for key in "ab"[: len(model.inputs)]}
    wanted = model(words if len(words) > 1 else words["a"], training=False)
    served = tf.saved_model.load(tmp_path / "m").signatures["serving_default"](**words)
    np.testing.assert_array_equal(next(iter(served.values())), wanted)


def test_a_hash_of_integers_is_a_clear_error_in_onnx(tmp_path):
    model = zoo_layers.alone("Hashing", ((3,), "int64"), {"num_bins": 3})
    with pytest.raises(
        kde.ExportError, match=r"no counterpart for: StringToHashBucketFast in .*hashing.*/hash"
    ):
        kde.export_onnx(model, tmp_path / "m.onnx")
    assert_serves(model, kde.export_saved_model(model, tmp_path / "m"))


@pytest.mark.parametrize("name", zoo_layers.NOT_IN_A_GRAPH)
def test_what_keras_cannot_build(name):
    with pytest.raises(ValueError, match="is part of a cycle"):
        zoo_layers.alone(name, zoo_layers.IMAGE, {})
