"""Tests every model of the zoo through strip, SavedModel, ONNX and verify."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
import zoo
import zoo_applications
import zoo_hub
import zoo_hub_composed
from keras_dropouts.surgery import sources as noise
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.tracing.inference_function import inference_function
from runtimes import assert_serves

# keras_hub's T5 and Swin build layers by calling them, and lose masks that they do not use.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Python code in these models counts the steps of the sequence, so its length must be known.
FIXED_LENGTH = ("hub_Qwen3_5", "hub_RWKV7")
MODELS = {
    **zoo.ZOO,
    **zoo_hub_composed.ZOO,
    **{name: make for name, make in zoo_hub.ZOO.items() if name not in FIXED_LENGTH},
}

LACKING = zoo_hub.LACKING | zoo_hub_composed.LACKING
LARGE = {**zoo_applications.ZOO, **zoo_hub_composed.LARGE}


def same_predictions(new, model, signature=None):
    """Assert that two models are the same function at inference, bit for bit; return the inputs."""
    old, made = inference_function(model, signature), inference_function(new, signature)
    _, inputs, wanted = next(iter(trial_inputs(old)))
    got = made.expected(inputs)
    for one, two in zip(got.values(), wanted.values(), strict=True):
        np.testing.assert_array_equal(one, two)
    return inputs


def leaves_training(model, folder, signature=None, told=True):
    """Take one model all the way."""
    new = kde.strip_dropout(model)
    assert all(source.rate == 0.0 for source in noise.noise_sources(new))
    serves(new, model, folder, same_predictions(new, model, signature), signature, told)


def serves(new, model, folder, inputs, signature=None, told=True):
    """Export one model to both formats, and ask both for what `new` is at inference."""
    for export, name in ((kde.export_saved_model, "m"), (kde.export_onnx, "m.onnx")):
        report = export(model, folder / name, input_signature=signature)
        assert_serves(new, report, inputs, signature, told)


@pytest.mark.parametrize("name", MODELS)
def test_zoo(name, tmp_path):
    leaves_training(MODELS[name](), tmp_path, told=name != "subclassed")


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_zoo_of_large_models(name, tmp_path):
    leaves_training(LARGE[name](), tmp_path)


@pytest.mark.parametrize("name", FIXED_LENGTH)
def test_zoo_with_a_fixed_length(name, tmp_path):
    model = zoo_hub.ZOO[name]()
    with pytest.raises(kde.ExportError, match=r"(?s)cannot be traced.*pass `input_signature`"):
        kde.export_onnx(model, tmp_path / "m.onnx")
    spec = tf.TensorSpec([None, 16], "int32")
    signature = {"token_ids": spec, "padding_mask": spec}
    _, inputs, _ = next(iter(trial_inputs(inference_function(model, signature))))
    serves(model, model, tmp_path, inputs, signature)


def test_a_model_from_a_file(tmp_path):
    zoo.ZOO["structures"]().save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    leaves_training(model, tmp_path)
