"""Sizes of dynamic dimensions: small for frames of images, unequal for height and width."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts_export as kde
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.checks.trial_sizes import candidate_sizes
from keras_dropouts_export.tracing.inference_function import inference_function
from runtimes import assert_serves


def shapes(model):
    return [inputs["x"].shape[1:] for _, inputs, _ in trial_inputs(inference_function(model))]


def test_height_is_not_width():
    x = keras.Input((None, None, 3), name="x")
    model = keras.Model(x, layers.Conv2D(2, 3)(x))
    assert shapes(model) == [(64, 96, 3), (96, 64, 3), (64, 96, 3)]


def test_height_is_width_where_the_model_takes_no_other():
    x = keras.Input((None, None, 1), name="x")
    model = keras.Model(x, x + ops.transpose(x, (0, 2, 1, 3)))
    assert shapes(model) == [(64, 64, 1), (96, 96, 1), (64, 64, 1)]


def test_few_frames_of_a_video(tmp_path):
    x = keras.Input((None, 8, 8, 1), name="x")
    model = keras.Model(x, layers.ConvLSTM2D(2, 3, activation="relu")(x))
    assert shapes(model)[:2] == [(4, 8, 8, 1), (6, 8, 8, 1)]
    assert_serves(model, kde.export_saved_model(model, tmp_path / "m"))


def test_volumes_grow_until_they_fit():
    x = keras.Input((None, None, None, 1), name="x")
    y = x
    for _ in range(3):
        y = layers.MaxPooling3D(2)(layers.Conv3D(2, 3)(y))
    assert min(shapes(keras.Model(x, y))[0][:3]) > 6


def test_positions_beyond_a_table():
    class Positions(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(9, shape[-1]))

        def call(self, inputs):
            return inputs + ops.take(self.table, ops.arange(ops.shape(inputs)[1]), axis=0)

    x = keras.Input((None, 3), name="x")
    assert {shape[0] for shape in shapes(keras.Model(x, Positions()(x)))} == {4, 6}


def test_sizes_that_must_be_even():
    x = keras.Input((None, 3), name="x")
    down = layers.Conv1D(3, 3, strides=2, padding="same")(x)
    model = keras.Model(x, layers.UpSampling1D(2)(down) + x)
    assert all(shape[0] % 2 == 0 for shape in shapes(model))


@pytest.mark.parametrize("function", [ops.log, ops.sqrt], ids=["log", "sqrt"])
def test_roots_and_logarithms_get_numbers_above_zero(function):
    x = keras.Input((200,), name="x")
    model = keras.Model(x, layers.Dense(2)(function(x)))
    for _, inputs, outputs in trial_inputs(inference_function(model)):
        assert inputs["x"].min() > 0
        assert all(np.isfinite(each).all() for each in outputs.values())


def test_a_model_without_any_finite_output_is_refused(tmp_path):
    x = keras.Input((2,))
    model = keras.Model(x, x * float("nan"))
    with pytest.raises(kde.ExportError, match="An output holds no finite number"):
        kde.export_onnx(model, tmp_path / "m.onnx")


def test_what_was_tried_is_told_once():
    text = str(candidate_sizes([(None, None, None)]))
    assert text.startswith("12 and 17, 64 and 96")
    assert text.endswith("4, 3, 2, 1")
    assert text.count("12 and 17") == 1
    assert [str(each) for each in candidate_sizes([(None, 3)])] == ["1"]
