"""Tests that a model can be trained by another thread while it is exported."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde


def model_with_everything():
    """Return a model with Keras's dropout in each of its places, and one layer of ours."""
    inputs = keras.Input((6, 8), name="x")
    x = layers.Dropout(0.5, name="drop")(inputs)
    x = layers.LSTM(8, dropout=0.5, recurrent_dropout=0.5, return_sequences=True)(x)
    x = layers.MultiHeadAttention(2, 4, dropout=0.5, name="attend")(x, x)
    x = kd.Zoneout(layers.GRU(8, return_sequences=True), 0.5)(x)
    x = kd.ScheduledDropout(0.5)(layers.GaussianNoise(0.5)(x))
    return keras.Model(inputs, layers.Dense(2, name="y")(layers.GlobalAveragePooling1D()(x)))


def rates_of(model):
    drop, attend = model.get_layer("drop"), model.get_layer("attend")
    lstm = next(layer for layer in model.layers if isinstance(layer, layers.LSTM))
    return (drop.rate, attend.dropout, lstm.dropout, lstm.recurrent_dropout, lstm.cell.dropout)


class Trainer(threading.Thread):
    """Calls a model in training, eagerly and in functions that it traces, until told to end."""

    def __init__(self, model):
        super().__init__()
        self.model, self.end, self.error = model, threading.Event(), None
        self.seen, self.spreads, self.rates = 0, [], set()

    def run(self):
        try:
            while not self.end.is_set() or self.seen < 3:
                self.once()
        except Exception as error:  # noqa: BLE001  (the test shows it)
            self.error = error

    def once(self):
        x = tf.ones((4, 6, 8))
        dropped = self.model.get_layer("drop")(x, training=True)
        compiled = tf.function(lambda x: self.model(x, training=True))  # a trace of its own
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(self.model(x, training=True) ** 2)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        assert all(each is not None for each in gradients)
        self.spreads.append(
            (
                float(np.ptp(dropped)),
                float(np.abs(compiled(x) - compiled(x)).max()),
                float(np.abs(self.model(x, training=True) - self.model(x, training=True)).max()),
            )
        )
        self.rates.add(rates_of(self.model))
        self.seen += 1


@pytest.mark.parametrize("samples", [None, 3])
def test_training_goes_on_while_a_model_is_exported(samples, tmp_path):
    model = model_with_everything()
    before = rates_of(model)
    trainer = Trainer(model)
    trainer.start()
    try:
        kde.export_onnx(model, tmp_path / "m.onnx", samples)
        kde.export_saved_model(model, tmp_path / "m", samples)
        kde.doctor(model)
        kd.mc_predict(model, np.ones((2, 6, 8), "float32"), samples=2, verbose=False)
    finally:
        trainer.end.set()
        trainer.join()
    assert trainer.error is None, trainer.error
    assert trainer.seen >= 3
    assert trainer.rates == {before}
    assert all(min(spread) > 0.0 for spread in trainer.spreads), trainer.spreads
    assert kde.verify(model, tmp_path / "m.onnx").ok
    assert not any(layer.losses for layer in model.layers)
