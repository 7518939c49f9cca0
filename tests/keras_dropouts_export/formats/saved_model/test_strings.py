"""Tests of models that take strings: a SavedModel serves them, other formats say what to do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde

WORDS = ["cat", "dog", "bird", "fish"]


def looked_up():
    inputs = keras.Input((2,), dtype="string", name="animals")
    x = layers.StringLookup(vocabulary=WORDS, output_mode="multi_hot")(inputs)
    x = kd.ScheduledDropout(0.4)(layers.Dense(6, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="kind")(x))


def vectorized():
    text = layers.TextVectorization(max_tokens=20, output_sequence_length=6)
    text.adapt(["a cat and a dog", "the bird, the fish"])
    inputs = keras.Input((), dtype="string", name="animals")
    x = layers.Embedding(20, 4, mask_zero=True)(text(inputs))
    x = layers.LSTM(4, dropout=0.3)(x)
    return keras.Model(inputs, layers.Dense(2, name="kind")(layers.Dropout(0.5)(x)))


def hashed():
    inputs = keras.Input((1,), dtype="string", name="animals")
    x = layers.Hashing(8, output_mode="one_hot")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="kind")(layers.Dropout(0.5)(x)))


def words_out():
    """Return a model whose output is strings, and whose input is numbers."""
    inputs = keras.Input((4,), name="animals")
    x = layers.Dropout(0.5)(inputs)
    best = layers.Lambda(lambda x: keras.ops.argmax(x, axis=-1), name="best")(x)
    names = layers.StringLookup(vocabulary=WORDS, num_oov_indices=0, invert=True, name="kind")
    return keras.Model(inputs, names(best))


DATA = {
    looked_up: np.array([["cat", "dog"], ["unicorn", "fish"], ["", "bird"]], dtype=object),
    vectorized: np.array(["the cat", "a dragon and a fish", ""], dtype=object),
    hashed: np.array([["cat"], ["dragon"], ["zebra"]], dtype=object),
    words_out: np.eye(4, dtype="float32")[[2, 0, 3]],
}
every = pytest.mark.parametrize("make", DATA, ids=lambda make: make.__name__)


@every
def test_a_saved_model_serves_strings_in_a_process_of_its_own(make, tmp_path):
    model, x = make(), DATA[make]
    report = kde.export_saved_model(model, tmp_path / "m")
    assert report.stripped
    x = tf.constant(x) if x.dtype == object else x
    wanted = model(x, training=False).numpy()
    served = tf.saved_model.load(tmp_path / "m")
    got = served.signatures["serving_default"](animals=x)["kind"].numpy()
    if wanted.dtype == object:
        np.testing.assert_array_equal(got, wanted)
    else:
        np.testing.assert_allclose(got, wanted, atol=1e-5, rtol=1e-4)
    assert kde.verify(model, tmp_path / "m").max_abs_error < 1e-5


@pytest.mark.parametrize("make", [looked_up, vectorized], ids=lambda make: make.__name__)
def test_samples_of_models_that_take_strings(make, tmp_path):
    model, x = make(), tf.constant(DATA[make])
    kde.export_saved_model(model, tmp_path / "m", samples=3, reduce=None)
    wanted = kd.mc_predict(model, x, samples=3, seed=4, verbose=False).samples
    assert np.ptp(wanted, axis=0).max() > 0
    served = tf.saved_model.load(tmp_path / "m").signatures["serving_mc"]
    got = served(animals=x, seed=tf.constant(kd.row_seeds(4, len(x))))["kind_samples"]
    np.testing.assert_allclose(np.moveaxis(got, 1, 0), wanted, atol=1e-5, rtol=1e-4)
    from_arrays = kd.mc_predict(model, DATA[make], samples=3, seed=4, verbose=False).samples
    np.testing.assert_array_equal(from_arrays, wanted)


@pytest.mark.parametrize("make", [looked_up, vectorized, hashed], ids=lambda make: make.__name__)
def test_onnx_says_what_to_do(make, tmp_path):
    with pytest.raises(kde.ExportError, match=r"takes strings \(animals\).*export_saved_model"):
        kde.export_onnx(make(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_trial_inputs_are_words_of_the_vocabulary_and_others():
    from keras_dropouts_export.checks.trial_inputs import trial_inputs
    from keras_dropouts_export.tracing.inference_function import inference_function

    trials = list(trial_inputs(inference_function(looked_up())))
    seen = {word for _, inputs, _ in trials for word in inputs["animals"].ravel()}
    assert seen & set(WORDS)
    assert seen - set(WORDS)
