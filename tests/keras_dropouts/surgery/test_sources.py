"""Tests that the table of noise sources finds every rate of a model, with its place and value."""

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.surgery import sources as noise

SINGLE = [
    (keras.layers.Dropout(0.5), "rate"),
    (keras.layers.SpatialDropout1D(0.5), "rate"),
    (keras.layers.SpatialDropout2D(0.5), "rate"),
    (keras.layers.SpatialDropout3D(0.5), "rate"),
    (keras.layers.AlphaDropout(0.5), "rate"),
    (keras.layers.GaussianDropout(0.5), "rate"),
    (keras.layers.GaussianNoise(0.5), "stddev"),
    (keras.layers.Attention(dropout=0.5), "dropout"),
    (keras.layers.AdditiveAttention(dropout=0.5), "dropout"),
    (keras.layers.MultiHeadAttention(2, 4, dropout=0.5), "_dropout"),
    (keras.layers.GroupQueryAttention(4, 2, 1, dropout=0.5), "dropout"),
    (kd.ScheduledDropout(0.5), "rate"),
    (kd.DropBlock2D(0.5, 3), "rate"),
]
CELLS = [
    keras.layers.LSTM(2, dropout=0.5, recurrent_dropout=0.25),
    keras.layers.GRU(2, dropout=0.5, recurrent_dropout=0.25),
    keras.layers.SimpleRNN(2, dropout=0.5, recurrent_dropout=0.25),
    keras.layers.ConvLSTM1D(2, 1, dropout=0.5, recurrent_dropout=0.25),
    keras.layers.ConvLSTM2D(2, 1, dropout=0.5, recurrent_dropout=0.25),
]


@pytest.mark.parametrize(("layer", "attribute"), SINGLE, ids=lambda x: getattr(x, "name", x))
def test_the_rate_of_a_layer_is_found_once(layer, attribute):
    (source,) = noise.noise_sources(layer)
    assert source.layer is layer
    assert (source.attribute, source.rate) == (attribute, pytest.approx(0.5))
    assert source.ours == type(layer).__module__.startswith("keras_dropouts")


@pytest.mark.parametrize("layer", CELLS, ids=lambda layer: layer.name)
def test_the_rates_of_a_recurrent_layer_are_those_of_its_cell(layer):
    found = {(source.path, source.attribute): source.rate for source in noise.noise_sources(layer)}
    cell = layer.cell.name
    assert found == {(cell, "dropout"): 0.5, (cell, "recurrent_dropout"): 0.25}


def test_built_attention_is_listed_once():
    layer = keras.layers.MultiHeadAttention(2, 4, dropout=0.5)
    layer(np.ones((1, 3, 4)), np.ones((1, 3, 4)))
    assert [source.attribute for source in noise.noise_sources(layer)] == ["_dropout"]


def test_paths_lead_through_wrappers_and_nested_models():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.1, name="d")], name="inner")
    model = keras.Sequential(
        [
            keras.Input((3, 4)),
            keras.layers.TimeDistributed(inner, name="each"),
            keras.layers.Bidirectional(keras.layers.GRU(2, dropout=0.2, name="gru"), name="both"),
        ]
    )
    found = {source.path: source.rate for source in noise.noise_sources(model) if source.rate}
    assert found == {
        "each/inner/d": 0.1,
        "both/forward_gru/gru_cell": 0.2,
        "both/backward_gru/gru_cell": 0.2,
    }


def test_a_custom_layer_that_holds_dropouts_in_lists_and_dicts_is_searched():
    class Holder(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="holder")
            self.listed = [keras.layers.Dropout(0.1, name="a")]
            self.keyed = {"x": keras.layers.Dropout(0.2, name="b")}

    found = {source.path: source.rate for source in noise.noise_sources(Holder())}
    assert found == {"a": 0.1, "b": 0.2}


@pytest.mark.parametrize("layer", [pair[0] for pair in SINGLE[:7]], ids=lambda layer: layer.name)
def test_noise_layers_are_removable(layer):
    assert noise.is_removable(layer)
    assert noise.is_removable(keras.layers.TimeDistributed(layer))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(2),
        keras.layers.LSTM(2, dropout=0.5),
        keras.layers.RandomFlip(),
        kd.ConcreteDropout(keras.layers.Dense(2)),
        keras.layers.TimeDistributed(keras.layers.Dense(2)),
    ],
    ids=lambda layer: layer.name,
)
def test_layers_that_do_more_than_noise_are_not_removable(layer):
    assert not noise.is_removable(layer)
