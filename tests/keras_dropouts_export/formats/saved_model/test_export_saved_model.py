"""Tests of SavedModels: what is in the folder, and how it is called."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
from runtimes import assert_serves
from served import Subclassed, data, dense_model, graph_model, image_model, inputs_of


@pytest.mark.parametrize("make", [dense_model, image_model, graph_model])
def test_it_is_the_model_by_structure_and_by_name(make, tmp_path):
    model = make()
    report = kde.export_saved_model(model, tmp_path / "m")
    x = inputs_of(model, 5)
    wanted = model.predict(x, verbose=0)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    keras.tree.map_structure(
        lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6),
        loaded.serve(keras.tree.map_structure(tf.constant, x)),
        wanted,
    )
    names = [each.name for each in report.inputs]
    flat = {name: tf.constant(v) for name, v in zip(names, keras.tree.flatten(x), strict=True)}
    by_name = loaded.signatures["serving_default"](**flat)
    outputs = keras.tree.flatten(wanted)
    for info, value in zip(report.outputs, outputs, strict=True):
        np.testing.assert_allclose(by_name[info.name], value, rtol=1e-5, atol=1e-6)


def test_only_weights_that_are_read_are_saved(tmp_path):
    model = image_model()
    model.compile("adam", "mse")
    model.fit(data(2, 8, 8, 1), data(2, 3), verbose=0)
    kde.export_saved_model(model, tmp_path / "m")
    reader = tf.train.load_checkpoint(str(tmp_path / "m" / "variables" / "variables"))
    saved = [name for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    stripped = kde.strip_dropout(model)
    assert len(saved) == len(stripped.weights)


def test_an_input_name_that_is_no_identifier(tmp_path):
    x = keras.Input((4,), name="my-input.1")
    model = keras.Model(x, keras.layers.Dense(2, name="the-score")(x))
    assert_serves(model, kde.export_saved_model(model, tmp_path / "m"))


def test_a_subclassed_model_that_always_drops(tmp_path):
    model = Subclassed()
    model(data(2, 3))
    report = kde.export_saved_model(model, tmp_path / "m")
    assert report.parity.max_abs_error < 1e-6
    assert_serves(model, report, told=False)


class Counts(keras.layers.Layer):
    """Writes to a variable even at inference."""

    def build(self, shape):
        self.count = self.add_weight(name="count", shape=(), trainable=False)

    def call(self, inputs):
        self.count.assign_add(1.0)
        return inputs + 0.0 * self.count


def test_a_write_is_an_error_that_names_it(tmp_path):
    model = keras.Sequential([keras.Input((4,)), Counts(name="counts")])
    with pytest.raises(kde.ExportError, match=r"AssignVariableOp '.*counts.*'"):
        kde.export_saved_model(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected the name of a folder"):
        kde.export_saved_model(dense_model(), tmp_path / "m.onnx")
