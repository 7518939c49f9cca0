"""Tests that the copy of a layer computes the same function and shares nothing with it."""

import keras
import numpy as np
from keras import ops

from keras_dropouts.keras_internals.copying import copy_layer


class Helper:
    """An object of a user's own that holds a layer."""

    def __init__(self, layer):
        self.layer = layer


class Holder(keras.layers.Layer):
    """Holds parts in every way that Python has."""

    def __init__(self, function):
        super().__init__(name="holder")
        self.function = function
        self.dense = keras.layers.Dense(4)
        self.listed = [keras.layers.Dense(4), (keras.layers.Dense(4), self.dense)]
        self.keyed = {"norm": keras.layers.BatchNormalization()}
        self.helper = Helper(self.dense)
        self.bound = self.dense.call
        self.seeds = keras.random.SeedGenerator(3)

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(4,), initializer="ones")

    def call(self, inputs, training=False):
        x = self.listed[1][0](self.listed[0](self.dense(inputs)))
        x = self.keyed["norm"](x, training=training)
        return self.bound(self.function(x)) * self.scale


def made():
    layer = Holder(lambda x: ops.relu(x))
    layer(np.ones((2, 4), "float32"))
    return layer


def test_a_copy_is_the_same_function():
    layer = made()
    new = copy_layer(layer)
    x = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(new(x)), ops.convert_to_numpy(layer(x)))
    assert [w.path for w in new.weights] == [w.path for w in layer.weights]


def test_a_copy_shares_nothing():
    layer = made()
    before = [ops.convert_to_numpy(w).copy() for w in layer.variables]
    new = copy_layer(layer)
    for weight in new.variables:
        weight.assign(weight + 1)
    for old, now in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(now))
    parts = {id(part) for part in layer._flatten_layers()}
    assert not parts & {id(part) for part in new._flatten_layers()}


def test_what_was_one_thing_is_one_thing():
    new = copy_layer(made())
    assert new.dense is new.listed[1][1]
    assert new.helper.layer is new.dense
    assert new.bound.__self__ is new.dense
    assert new.seeds is not made().seeds


def test_a_copy_trains_and_saves(tmp_path):
    layer = made()
    new = copy_layer(layer)
    model = keras.Sequential([keras.Input((4,)), new])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 4), "float32"), np.zeros((4, 4), "float32"), verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    other = keras.Sequential([keras.Input((4,)), layer])
    other.load_weights(tmp_path / "m.weights.h5")
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_trainable_flags_stay():
    layer = made()
    layer.dense.trainable = False
    new = copy_layer(layer)
    assert not new.dense.trainable
    assert len(new.trainable_weights) == len(layer.trainable_weights)
    new.trainable = False
    assert layer.trainable
