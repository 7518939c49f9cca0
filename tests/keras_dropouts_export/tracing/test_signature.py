"""Tests of the names, shapes and dtypes of a model's inputs, and how they are passed back in."""

import keras
import pytest
import tensorflow as tf

from keras_dropouts_export.tracing.signature import input_signature, unique_names
from served import Subclassed, data, graph_model, image_model


def specs(model, given=None):
    found = input_signature(model, given).specs
    return [(each.name, each.shape.as_list(), each.dtype.name) for each in found]


def test_a_sequential_model():
    assert specs(image_model()) == [("pixels", [None, 8, 8, 1], "float32")]


def test_a_dict_of_inputs():
    assert specs(graph_model()) == [
        ("other", [None, 4], "float32"),
        ("series", [None, 6, 4], "float32"),
    ]


def test_a_fixed_batch_and_an_integer_input():
    x = keras.Input(batch_shape=(2, 5), dtype="int32", name="tokens")
    assert specs(keras.Model(x, x * 2)) == [("tokens", [2, 5], "int32")]


def test_a_subclassed_model_that_was_called():
    model = Subclassed()
    model(data(2, 3))
    assert specs(model) == [("inputs", [None, 3], "float32")]


def test_words_of_python_get_an_underscore_as_no_argument_can_be_called_so():
    inputs = {name: keras.Input((2,), name=name) for name in ("from", "to", "class")}
    model = keras.Model(inputs, keras.layers.Add()(list(inputs.values())))
    names = input_signature(model).names
    assert sorted(names) == ["class_", "from_", "to"]


class TwoArguments(keras.Model):
    def call(self, left, right):
        return {"sum": left + right["x"]}


def test_a_subclassed_model_of_two_arguments():
    model = TwoArguments()
    model(data(2, 3), {"x": data(2, 3)})
    spec = keras.InputSpec(shape=(None, 3), dtype="float32")
    signature = input_signature(model, (spec, {"x": spec}))
    assert [each.name for each in signature.specs] == ["input", "x"]
    assert signature.call(model, [data(2, 3), data(2, 3)])["sum"].shape == (2, 3)


def test_a_given_signature_is_taken():
    model = Subclassed()
    model(data(2, 3))
    given = keras.InputSpec(shape=(None, 3), dtype="int32", name="counts")
    assert specs(model, given) == [("counts", [None, 3], "int32")]
    assert specs(model, tf.TensorSpec([None, 3], "float16")) == [("input", [None, 3], "float16")]


def test_a_signature_that_is_none_is_refused():
    with pytest.raises(ValueError, match="Invalid value for argument `input_signature`"):
        input_signature(image_model(), [3])


def test_names_are_made_unique():
    assert unique_names(["a", "b", "a", "a"], ["b"]) == ["a", "b_1", "a_1", "a_2"]


def test_a_symbolic_tensor_that_no_layer_made_is_a_specification():
    given = keras.KerasTensor((None, 8, 8, 1), "float32", name="picture")
    assert specs(image_model(), given) == [("picture", [None, 8, 8, 1], "float32")]
