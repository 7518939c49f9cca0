"""Attention of Keras computes in one of two ways, which differ for a query that sees no key.

Which one it takes depends on whether its rate is above 0, at inference too. A model without noise
must stay on the way of the model that it was made from.
"""

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.surgery.sources import noise_sources, walk
from keras_dropouts_export.tracing.inference_mode import inference_mode, noise_off
from runtimes import answers, assert_close

# Keras warns of padding masks that the projections in its own GroupQueryAttention lose.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*does not support masking:UserWarning")
RATE = 0.25


@keras.saving.register_keras_serializable("test_queries_without_keys")
class Block(layers.Layer):
    """A layer that holds attention, and says so in its config."""

    def __init__(self, attend, **kwargs):
        super().__init__(**kwargs)
        self.attend = attend
        self.supports_masking = True

    def call(self, x, training=None):
        return x + self.attend(x, x, training=training)

    def get_config(self):
        attend = keras.saving.serialize_keras_object(self.attend)
        return {**super().get_config(), "attend": attend}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "attend": keras.saving.deserialize_keras_object(config["attend"])})


def multi_head(rate=RATE):
    return layers.MultiHeadAttention(2, 4, dropout=rate)


def grouped(rate=RATE):
    return layers.GroupQueryAttention(4, 4, 2, dropout=rate)


ATTENTION = {"multi head": multi_head, "grouped": grouped}
PLACES = {
    "in a graph": lambda make: lambda x: make()(x, x),
    "causal": lambda make: lambda x: make()(x, x, use_causal_mask=True),
    "in DropKey": lambda make: lambda x: kd.DropKey(make(), 0.5)(x, x),
    "in DropHead": lambda make: lambda x: kd.DropHead(make(), 0.5)(x, x),
    "in a layer": lambda make: Block(make()),
    "in a model": lambda make: inner(make()),
}
CASES = [(place, kind) for place in PLACES for kind in ATTENTION]


def inner(attend):
    x = keras.Input((None, 8))
    return keras.Model(x, attend(x, x))


def attending(place="in a graph", kind="multi head"):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 8, mask_zero=True)(tokens)
    y = PLACES[place](ATTENTION[kind])(x)
    return keras.Model(tokens, layers.Dense(3, name="y")(y))


def padded():
    """Return tokens of which a row begins with padding, so a causal query there sees no key."""
    tokens = np.random.default_rng(1).integers(1, 9, (2, 6)).astype("int32")
    tokens[0, :3] = tokens[1, 4:] = 0
    return tokens


def predicted(model, training=False):
    inputs = keras.tree.pack_sequence_as(model.input, [padded()])
    return np.asarray(model(inputs, training=training))


@pytest.mark.parametrize("kind", ATTENTION)
def test_the_two_ways_differ(kind):
    one = attending("in a graph", kind)
    without = keras.models.clone_model(one, clone_function=_without_rate)
    without.set_weights(one.get_weights())
    assert np.abs(predicted(one) - predicted(without)).max() > 0.01


def _without_rate(layer):
    config = layer.get_config()
    return type(layer).from_config({**config, "dropout": 0.0} if "dropout" in config else config)


@pytest.mark.parametrize(("place", "kind"), CASES)
def test_a_stripped_model_predicts_the_same_to_the_bit(place, kind, tmp_path):
    model = attending(place, kind)
    wanted = predicted(model)
    new = kde.strip_dropout(model)
    np.testing.assert_array_equal(predicted(new), wanted)
    assert [source.rate for source in noise_sources(new)] == [0.0]
    new.save(tmp_path / "new.keras")
    loaded = keras.saving.load_model(tmp_path / "new.keras")
    np.testing.assert_array_equal(predicted(loaded), wanted)
    assert [row.rate for row in kd.inspect_dropout(loaded)] == [0.0]
    np.testing.assert_array_equal(predicted(loaded, training=True), wanted)


@pytest.mark.parametrize("kind", ATTENTION)
def test_a_stripped_model_has_no_samples(kind):
    new = kde.strip_dropout(attending(kind=kind))
    with pytest.raises(ValueError, match="all of its 1 rates are 0"):
        kd.mc_predict(new, padded(), samples=2, verbose=False)


@pytest.mark.parametrize("kind", ATTENTION)
def test_attention_that_was_made_without_a_rate_stays_as_it_was(kind):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 8, mask_zero=True)(tokens)
    model = keras.Model(tokens, layers.Dropout(0.5)(ATTENTION[kind](0.0)(x, x)))
    new = kde.strip_dropout(model)
    np.testing.assert_array_equal(predicted(new), predicted(model))
    assert new.layers[-1].get_config()["dropout"] == 0.0


@pytest.mark.parametrize(("place", "kind"), CASES)
@pytest.mark.parametrize("off", [noise_off, inference_mode])
def test_a_model_with_its_noise_off_predicts_the_same_to_the_bit(place, kind, off):
    model = attending(place, kind)
    wanted = predicted(model)
    with off(model):
        np.testing.assert_array_equal(np.asarray(model(padded())), wanted)
        # Told by no flag at all, as in a layer that calls a part of its own past `__call__`.
        held = [part for _, part in walk(model) if hasattr(part, "_softmax")]
        assert [part._dropout_layer.rate for part in held] == [0.0]


@pytest.mark.parametrize("place", ["in a graph", "causal", "in a layer"])
@pytest.mark.parametrize("kind", ATTENTION)
@pytest.mark.parametrize("export", [kde.export_onnx, kde.export_saved_model])
def test_artifacts_answer_what_the_model_does(place, kind, export, tmp_path):
    model = attending(place, kind)
    path = tmp_path / ("m.onnx" if export is kde.export_onnx else "m")
    export(model, path)
    assert_close(answers(path, {"tokens": padded()}), {"y": predicted(model)})


@pytest.mark.parametrize(("place", "kind"), CASES)
def test_a_frozen_model_predicts_the_same_to_the_bit(place, kind):
    model = attending(place, kind)
    new = kde.freeze_dropout(model, sample_inputs=padded())
    np.testing.assert_array_equal(predicted(new), predicted(model))


@pytest.mark.parametrize("kind", ATTENTION)
def test_rates_that_are_set_do_not_change_predictions(kind):
    model = attending(kind=kind)
    wanted = predicted(model)
    (row,) = kd.inspect_dropout(model)
    for rate in (0.0, 0.5, 0.0):
        kd.set_rates(model, {f"{row.path}/dropout": rate})
        assert kd.inspect_dropout(model)[0].rate == rate
        np.testing.assert_array_equal(predicted(model), wanted)
