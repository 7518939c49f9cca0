"""Ways to bring data to `fit`, and ways to stop, save, copy and go on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from fitting import FIT
from subject import (
    BATCH,
    STEPS,
    body,
    check,
    compiled,
    data,
    functional,
    same_weights,
    saved_and_loaded,
)
from ways import Done, way


class Batches(keras.utils.PyDataset):
    """Batches by number, which other threads may ask for."""

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> Any:
        return tuple(each[index * BATCH : (index + 1) * BATCH] for each in data())


def _endless() -> Iterator[Any]:
    while True:
        yield tuple(each[:BATCH] for each in data())


@way("a generator")
def _generator() -> Done:
    model = compiled()
    model.fit(_endless(), steps_per_epoch=3, epochs=2, verbose=0)
    return model, check(model, 6)


@way("a PyDataset, asked by two threads")
def _py_dataset() -> Done:
    model = compiled()
    model.fit(Batches(workers=2), epochs=2, verbose=0)
    return model, check(model, 2 * STEPS)


@way("a tf.data dataset")
def _tf_data() -> Done:
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(data()).shuffle(8).batch(BATCH).prefetch(1)
    model = compiled()
    model.fit(batches, epochs=2, verbose=0)
    return model, check(model, 2 * STEPS)


@way("a DataLoader of PyTorch")
def _data_loader() -> Done:
    import torch

    set_of = torch.utils.data.TensorDataset(*map(torch.tensor, data()))
    model = compiled()
    model.fit(torch.utils.data.DataLoader(set_of, BATCH, shuffle=True), epochs=2, verbose=0)
    return model, check(model, 2 * STEPS)


def _whole(epochs: int) -> Any:
    keras.utils.set_random_seed(5)
    model = compiled()
    model.fit(*data(), epochs=epochs, shuffle=False, **FIT)
    return model


@way("saved in the middle, as a model that goes on to the same bits")
def _resumed() -> Done:
    model = saved_and_loaded(_whole(1))
    model.fit(*data(), epochs=1, shuffle=False, **FIT)
    same_weights(model, _whole(2))
    return model, check(model, 2 * STEPS)


@way("weights saved in the middle, put into a new model")
def _weights() -> Done:
    half, model = _whole(1), compiled()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.weights.h5"
        half.save_weights(path)
        model.fit(*data(16), epochs=1, verbose=0)
        model.load_weights(path)
    model.fit(*data(), epochs=1, shuffle=False, **FIT)
    return model, check(model, 2 * STEPS)


class Stop(keras.callbacks.Callback):
    """Ends training as an error would, before the second epoch ends."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


@way("BackupAndRestore after an interruption")
def _backup() -> Done:
    with tempfile.TemporaryDirectory() as folder:
        first = compiled()
        try:
            backup = keras.callbacks.BackupAndRestore(folder)
            first.fit(*data(), epochs=3, callbacks=[backup, Stop()], **FIT)
        except KeyboardInterrupt:
            pass
        model = compiled()
        model.fit(*data(), epochs=3, callbacks=[keras.callbacks.BackupAndRestore(folder)], **FIT)
    return model, check(model, 3 * STEPS)


@way("ModelCheckpoint, and the best model taken back")
def _checkpoint() -> Done:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.keras"
        keep = keras.callbacks.ModelCheckpoint(path)
        compiled().fit(*data(), epochs=2, callbacks=[keep], **FIT)
        model = keras.saving.load_model(path)
    return model, check(model, 2 * STEPS)


@way("a clone with the weights of the trained model")
def _clone() -> Done:
    trained = _whole(1)
    model = keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    compiled(model).fit(*data(), epochs=1, **FIT)
    return model, check(model, 2 * STEPS)


@way("a Sequential that is built by its data")
def _sequential() -> Done:
    from subject import RATE, Count

    import keras_dropouts as kd

    parts = [kd.ScheduledDropout(RATE), Count(), keras.layers.Dense(2)]
    model = compiled(keras.Sequential(parts))
    model.fit(*data(), epochs=1, **FIT)
    return model, check(model, STEPS)


@keras.saving.register_keras_serializable("training_ways")
class Subclassed(keras.Model):
    """A model that holds another and calls it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = functional()

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.inner(inputs, training=training)


@way("a subclassed model")
def _subclassed() -> Done:
    model = compiled(Subclassed())
    model.fit(*data(), epochs=1, **FIT)
    return model, check(model, STEPS)


@way("a loss that the model computes")
def _own_loss() -> Done:
    class Own(keras.Model):
        def compute_loss(
            self, x=None, y=None, y_pred=None, sample_weight=None, training=True
        ) -> Any:
            return keras.ops.mean((y - y_pred) ** 2) + sum(self.losses)

    model = compiled(functional(cls=Own))
    model.fit(*data(), epochs=1, **FIT)
    return model, check(model, STEPS)


@way("low-rank adapters")
def _adapters() -> Done:
    model = functional()
    model.get_layer("hidden").enable_lora(2)
    compiled(model).fit(*data(), epochs=1, **FIT)
    return model, check(model, STEPS)


@way("sequences of several lengths")
def _lengths() -> Done:
    x = keras.Input((None, 48))
    y = body(keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(48, use_bias=True)(x)))
    model = compiled(keras.Model(x, y))
    random = np.random.default_rng(1)
    for length in (3, 5, 9):
        series = random.uniform(0.5, 1.5, (BATCH, length, 48)).astype("float32")
        model.train_on_batch(series, series[:, 0, :2])
    return model, check(model, 3)
