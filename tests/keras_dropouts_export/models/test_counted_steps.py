"""Tests models whose Python code counts the steps of a sequence, with `sample_inputs`."""

import keras
import numpy as np
import pytest

import keras_dropouts_export as kde


@keras.saving.register_keras_serializable("test_counted_steps")
class RunningMean(keras.layers.Layer):
    """The mean of each step and those before it, in a loop of Python."""

    def call(self, x):
        steps = range(x.shape[1])
        means = [keras.ops.mean(x[:, : i + 1], axis=1) for i in steps]
        return keras.ops.stack(means, axis=1)

    def compute_output_shape(self, shape):
        return shape


@pytest.fixture
def model():
    x = keras.Input((None, 4))
    y = keras.layers.Dropout(0.5)(RunningMean()(x))
    return keras.Model(x, keras.layers.Dense(2)(y))


@pytest.mark.parametrize("take_out", [kde.strip_dropout, kde.freeze_dropout])
def test_a_model_that_counts_its_steps_needs_inputs_to_be_asked_with(take_out, model):
    x = np.random.default_rng(0).random((3, 5, 4), "float32")
    new = take_out(model, sample_inputs=x)
    np.testing.assert_array_equal(new(x).numpy(), model(x, training=False).numpy())
    longer = np.random.default_rng(1).random((2, 9, 4), "float32")
    np.testing.assert_array_equal(new(longer).numpy(), model(longer, training=False).numpy())


def test_the_error_without_them_names_the_way_out(model):
    with pytest.raises(kde.ExportError, match=r"(?s)cannot be traced.*pass .*`sample_inputs`"):
        kde.strip_dropout(model)
