"""Tests that trial inputs are in range, seeded, and of sizes that the model takes."""

import keras
import numpy as np
import pytest

import keras_dropouts_export as kde
from keras_dropouts_export.checks.input_domains import input_domains
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.tracing.inference_function import inference_function


def text_model():
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    kind = keras.Input((None,), dtype="int32", name="kind")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    x = keras.layers.Embedding(50, 4)(tokens) + keras.layers.Embedding(3, 4)(kind)
    x = x * keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    return keras.Model([tokens, kind, mask], keras.ops.sum(x, axis=1))


def trials(model, **options):
    return list(trial_inputs(inference_function(model), **options))


def test_integers_stay_inside_the_embedding_of_their_input():
    function = inference_function(text_model())
    below = {name: domain.below for name, domain in input_domains(function).items()}
    assert below == {"tokens": 50, "kind": 3, "padding_mask": 3}
    for _, inputs, _ in trial_inputs(function):
        assert 3 < inputs["tokens"].max() < 50
        assert inputs["kind"].max() < 3


def test_masks_are_ones_with_some_zeros():
    masks = [inputs["padding_mask"] for _, inputs, _ in trials(text_model())]
    assert all(set(np.unique(mask)) <= {0, 1} for mask in masks)
    assert all((mask[:, 0] == 1).all() for mask in masks)
    assert any((mask == 0).any() for mask in masks)


def test_batches_and_two_sizes_of_every_dynamic_dimension():
    found = trials(text_model())
    assert [batch for batch, _, _ in found] == [1, 2, 7]
    assert len({inputs["tokens"].shape[1] for _, inputs, _ in found}) == 2
    assert all(inputs["tokens"].shape[0] == batch for batch, inputs, _ in found)


def test_a_fixed_batch_is_kept():
    x = keras.Input(batch_shape=(4, 3))
    assert [batch for batch, _, _ in trials(keras.Model(x, x * 2.0))] == [4]


def test_longer_inputs_are_tried_until_the_model_takes_them():
    x = keras.Input((None, 2), name="sound")
    model = keras.Model(x, keras.layers.Conv1D(2, 80)(x))
    assert all(inputs["sound"].shape[1] >= 80 for _, inputs, _ in trials(model))


def test_seeded():
    one, same, other = (trials(text_model(), seed=seed)[0][1]["tokens"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_model_that_takes_nothing_is_an_error(tmp_path):
    x = keras.Input((None, 2))
    model = keras.Model(x, keras.ops.reshape(x, (-1, 3 * 7 * 11 * 13)))
    with pytest.raises(kde.ExportError, match="took none of the inputs that were tried"):
        kde.export_onnx(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
