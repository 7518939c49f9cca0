"""Makes small models that are exported, shared by the tests of the export package."""

from __future__ import annotations

import keras
import numpy as np

import keras_dropouts as kd


def data(*shape: int) -> np.ndarray:
    """Return the same float32 numbers for a shape each time."""
    return np.random.default_rng(3).standard_normal(shape).astype("float32")


class Rolls(keras.layers.Layer):
    """Draws even at inference, in a way that no one can switch off."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        return inputs * keras.random.uniform((4,), seed=self.seeds)


def dense_model() -> keras.Model:
    """Return the smallest model with dropout."""
    return keras.Sequential(
        [
            keras.Input((4,), name="features"),
            keras.layers.Dense(3, name="hidden"),
            kd.ScheduledDropout(0.25, name="drop"),
            keras.layers.Dense(2, name="score"),
        ],
        name="small",
    )


def image_model(dropout: bool = True) -> keras.Model:
    """Return a CNN with every kind of dropout, or the same one built without any."""

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        return kd.ConcreteDropout(layer, data_size=64) if dropout else layer

    ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=10)
    noise = [
        kd.DropBlock2D(0.2, 3),
        kd.SpatialDropout(0.1),
        keras.layers.GaussianNoise(0.1),
        kd.ScheduledDropout(ramp),
        keras.layers.Dropout(0.5),
    ]
    block, spatial, gaussian, scheduled, last = ([x] if dropout else [] for x in noise)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="pixels"),
            keras.layers.Conv2D(4, 3, activation="relu", name="first"),
            *block,
            wrap(keras.layers.Conv2D(4, 3, name="second")),
            keras.layers.BatchNormalization(name="norm"),
            *spatial,
            keras.layers.Flatten(name="flat"),
            *gaussian,
            wrap(keras.layers.Dense(8, activation="gelu", name="third")),
            *scheduled,
            keras.layers.Dense(3, activation="softmax", name="digit"),
            *last,
        ],
        name="images",
    )


def graph_model() -> keras.Model:
    """Return a Functional model: nested, recurrent, attention, two inputs, a dict of outputs."""
    encoder = keras.Sequential(
        [
            keras.Input((6, 4)),
            keras.layers.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.1),
            keras.layers.SpatialDropout1D(0.3, name="inner_drop"),
        ],
        name="encoder",
    )
    series, other = keras.Input((6, 4), name="series"), keras.Input((4,), name="other")
    x = encoder(series)
    x = keras.layers.MultiHeadAttention(2, 4, dropout=0.3, name="attend")(x, x)
    x = kd.DropPath(0.2, name="path")(x) + x
    x = keras.layers.TimeDistributed(keras.layers.Dropout(0.4), name="each")(x)
    x = keras.layers.GlobalAveragePooling1D()(x) * other
    x = keras.layers.Dropout(0.5, name="last")(x, training=True)
    outputs = {"mean": keras.layers.Dense(2, name="m")(x), "raw": x}
    return keras.Model({"series": series, "other": other}, outputs, name="graph")


class Subclassed(keras.Model):
    """A model whose graph is not known and that always drops, as some models do by mistake."""

    def __init__(self, name: str = "own") -> None:
        super().__init__(name=name)
        self.parts = [keras.layers.Dense(4), kd.ScheduledDropout(0.5)]
        self.drop = keras.layers.Dropout(0.5)

    def call(self, inputs):  # type: ignore[no-untyped-def]
        for part in self.parts:
            inputs = part(inputs)
        return self.drop(inputs, training=True)


def inputs_of(model: keras.Model, batch: int = 3):  # type: ignore[no-untyped-def]
    """Return inputs in the structure that a Sequential or Functional model takes."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    return keras.tree.map_structure(lambda x: data(batch, *x.shape[1:]), graph.input)
