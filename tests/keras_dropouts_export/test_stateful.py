"""Recurrent layers that keep their state: one clear sentence in every form and every format."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from served import data

RECURRENT = {
    "LSTM": lambda: layers.LSTM(3, stateful=True),
    "GRU": lambda: layers.GRU(3, stateful=True),
    "SimpleRNN": lambda: layers.SimpleRNN(3, stateful=True),
    "RNN of a cell": lambda: layers.RNN(layers.LSTMCell(3), stateful=True),
    "RNN of cells": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], stateful=True),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(3, stateful=True)),
    "dropout": lambda: layers.RNN(layers.GRUCell(3, dropout=0.3), stateful=True),
    "ConvLSTM": lambda: layers.ConvLSTM1D(2, 3, stateful=True),
}


def stateful(name):
    shape = (2, 4, 6, 1) if name == "ConvLSTM" else (2, 4, 3)
    x = keras.Input(batch_shape=shape, name="x")
    model = keras.Model(x, layers.Dropout(0.5)(RECURRENT[name]()(x)))
    return model, data(*shape)


def states(model):
    return [
        np.array(state)
        for layer in model.layers
        for part in (layer, *layer._flatten_layers(include_self=False))
        if isinstance(part, keras.layers.RNN) and part.stateful
        for state in keras.tree.flatten(part.states)
    ]


@pytest.mark.parametrize("name", RECURRENT)
def test_exports_and_samples_are_refused(name, tmp_path):
    model, _ = stateful(name)
    for export, path in ((kde.export_onnx, "m.onnx"), (kde.export_saved_model, "m")):
        with pytest.raises(kde.ExportError, match="keeps its state from one call to the next in '"):
            export(model, tmp_path / path)
        with pytest.raises(ValueError, match="keeps no state between calls"):
            export(model, tmp_path / path, samples=2)
    with pytest.raises(ValueError, match="keeps no state between calls"):
        kd.mc_predict(model, data(*model.inputs[0].shape), samples=2)


@pytest.mark.parametrize("name", RECURRENT)
def test_strip_and_freeze_leave_the_state_of_the_model_alone(name):
    model, x = stateful(name)
    model(x)
    before = states(model)
    assert any(np.abs(state).max() > 0 for state in before)
    for make in (kde.strip_dropout, kde.freeze_dropout):
        new = make(model, sample_inputs=x)
        for state, same in zip(states(model), before, strict=True):
            np.testing.assert_array_equal(state, same)
        assert all(np.abs(state).max() == 0 for state in states(new))
