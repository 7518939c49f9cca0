"""A refusal tells an unstable model from a wrong file."""

import json

import keras
import numpy as np
import pytest

import keras_dropouts_export as kde
from keras_dropouts_export.checks.one_step import moved_by_one_step, told_apart
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.tracing.inference_function import inference_function
from served import dense_model


def test_an_unstable_model_is_told(tmp_path):
    x = y = keras.Input((4,), name="x")
    for _ in range(12):  # each turn makes the last digit of `exp` a hundred times larger
        y = keras.ops.sin(100.0 * keras.ops.exp(y))
    with pytest.raises(kde.ExportError, match=r"the model is unstable on these inputs") as raised:
        kde.export_onnx(keras.Model(x, y), tmp_path / "m.onnx")
    assert "its outputs are not the model's" in str(raised.value)
    assert "when its inputs move by one step of their dtype" in str(raised.value)


def test_a_wrong_file_is_told(tmp_path):
    model = dense_model()
    kde.export_onnx(model, tmp_path / "m.onnx")
    model.get_layer("score").bias.assign([1.0, 1.0])
    report = kde.verify(model, tmp_path / "m.onnx")
    assert not report.ok
    assert "the model is stable on these inputs, so the artifact is wrong" in str(report)
    said = json.loads(report.to_json())
    assert said["stability"] == report.stability
    assert all(0.0 < row["own_change"] < 1e-5 for row in said["rows"])


def test_the_change_is_that_of_one_step():
    x = keras.Input((3,), name="x")
    function = inference_function(keras.Model(x, x * 4.0))
    trials = list(trial_inputs(function))
    largest = max(np.spacing(np.abs(inputs["x"])).max() for _, inputs, _ in trials)
    (change,) = moved_by_one_step(function, trials).values()
    assert change == 4 * largest


def test_integers_do_not_move():
    ids = keras.Input((3,), dtype="int32")
    function = inference_function(keras.Model(ids, keras.layers.Embedding(4, 2)(ids)))
    assert moved_by_one_step(function, list(trial_inputs(function))) == {}
    assert told_apart([(None, 1.0)]) == ""


def test_bfloat16_moves_by_its_own_step():
    x = keras.Input((3,), dtype="bfloat16")
    function = inference_function(keras.Model(x, keras.ops.cast(x, "float32")))
    trials = list(trial_inputs(function))
    assert all(change > 0 for change in moved_by_one_step(function, trials).values())
