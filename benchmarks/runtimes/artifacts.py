"""The models that every runtime is given, each with its inputs and the options of its export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers

import keras_dropouts as kd

# Within 32 bits, below zero, and beyond: a runtime that computes in 32 bits takes the last two
# for other seeds.
SEEDS = (7, -3, 2**32 + 5, 2**62 + 1)
SEEDS_OF_32_BITS = (7, -3, 2**31 - 1, -(2**31))
MASKS = "masks"  # the output that shows masks, exactly
SAMPLES = 4

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Artifact:
    """One model and how it is exported.

    make: makes the model, whose outputs are a dict; inputs: by name, of so many rows; options: of
    `export_onnx`; formats: the other formats in which it is tried, too; seeds: of its rows.
    """

    name: str
    what: str
    make: Callable[[], keras.Model]
    inputs: Callable[[np.random.Generator, int], Arrays]
    options: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    seeds: tuple[int, ...] = SEEDS

    @property
    def samples(self) -> int | None:
        """How many samples the artifact draws, None where it holds no dropout."""
        return self.options.get("samples")


def _floats(name: str, *shape: int) -> Callable[[np.random.Generator, int], Arrays]:
    return lambda random, rows: {name: random.standard_normal((rows, *shape)).astype("float32")}


def _words(random: np.random.Generator, rows: int) -> Arrays:
    words = random.integers(1, 30, (rows, 7)).astype("int32")
    words[:, 5:] = 0  # padding
    return {"words": words}


def _both(random: np.random.Generator, rows: int) -> Arrays:
    return {**_words(random, rows), **_floats("table", 5)(random, rows)}


def _shown(x: Any, rate: float = 0.5) -> Any:
    """Return a dropped vector of ones: each of its numbers is 0 or exactly 1 / (1 - rate)."""
    ones = layers.Dense(16, kernel_initializer="zeros", bias_initializer="ones")(x)
    return layers.Dropout(rate)(ones)


def _dense(show: bool = False) -> keras.Model:
    x = keras.Input((6,), name="x")
    y = layers.BatchNormalization()(layers.Dense(32, activation="relu")(x))
    y = kd.ScheduledDropout(0.5)(y)
    outputs = {"y": layers.Dense(3, activation="softmax", name="y")(y)}
    return keras.Model(x, {**outputs, MASKS: _shown(x)} if show else outputs)


def _cnn() -> keras.Model:
    x = keras.Input((12, 12, 3), name="x")
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
    y = layers.MaxPooling2D()(kd.DropBlock2D(0.2, block_size=3)(y))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, strides=2)(y))
    return keras.Model(x, {"y": layers.Dense(3, name="y")(y)})


def _recurrent(kind: Any, masked: bool = False, show: bool = False) -> keras.Model:
    if masked:
        x = keras.Input((None,), dtype="int32", name="words")
        y = layers.Embedding(30, 6, mask_zero=True)(x)
    else:
        x = y = keras.Input((None, 6), name="x")
    y = kind(8, dropout=0.25, recurrent_dropout=0.25)(y)
    outputs = {"y": layers.Dense(3, name="y")(y)}
    return keras.Model(x, {**outputs, MASKS: _shown(y)} if show else outputs)


def _transformer() -> keras.Model:
    x = keras.Input((None, 16), name="x")
    y = layers.LayerNormalization()(x)
    y = x + kd.DropPath(0.2)(layers.MultiHeadAttention(2, 8, dropout=0.2)(y, y))
    z = layers.Dense(32, activation="gelu")(layers.LayerNormalization()(y))
    y = y + layers.Dropout(0.2)(layers.Dense(16)(z))
    return keras.Model(x, {"y": layers.Dense(3, name="y")(layers.GlobalAveragePooling1D()(y))})


def _dict_inputs(show: bool = False) -> keras.Model:
    words = keras.Input((7,), dtype="int32", name="words")
    table = keras.Input((5,), name="table")
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(30, 6)(words))
    y = layers.Dropout(0.4)(layers.Concatenate()([pooled, table]))
    outputs = {
        "class": layers.Dense(4, activation="softmax", name="class")(y),
        "value": layers.Dense(1, name="value")(y),
    }
    given = {"words": words, "table": table}
    return keras.Model(given, {**outputs, MASKS: _shown(table)} if show else outputs)


def _embedding() -> keras.Model:
    words = keras.Input((7,), dtype="int32", name="words")
    y = kd.SpatialDropout(0.3)(layers.Embedding(30, 6)(words))
    return keras.Model(words, {"y": layers.Dense(3, name="y")(layers.Flatten()(y))})


def _half() -> keras.Model:
    x = keras.Input((6,), name="x", dtype="float16")
    y = layers.Dropout(0.5)(layers.Dense(32, activation="relu", dtype="float16")(x))
    return keras.Model(x, {"y": layers.Dense(3, name="y", dtype="float16")(y)})


def _drop_connect() -> keras.Model:
    """A kernel of ones, of which powers of two go through: the sum tells which weights are left."""
    x = keras.Input((6,), name="x")
    y = kd.DropConnect(layers.Dense(16, activation="relu"), 0.5)(x)
    powers = keras.initializers.Constant(2.0 ** np.arange(8))
    powers = layers.Dense(8, kernel_initializer="zeros", bias_initializer=powers)(x)
    ones = layers.Dense(16, kernel_initializer="ones", use_bias=False)
    return keras.Model(
        x, {"y": layers.Dense(3, name="y")(y), MASKS: kd.DropConnect(ones, 0.5)(powers)}
    )


_SAMPLES = {"samples": SAMPLES, "reduce": None}
_X, _SERIES, _IMAGE = _floats("x", 6), _floats("x", 5, 6), _floats("x", 12, 12, 3)

ARTIFACTS = (
    Artifact("dense", "Dense, BatchNormalization, softmax", _dense, _X),
    Artifact("cnn", "Conv2D, DropBlock2D, pooling", _cnn, _IMAGE),
    Artifact(
        "lstm", "LSTM with dropout of inputs and states", lambda: _recurrent(layers.LSTM), _SERIES
    ),
    Artifact(
        "lstm masked",
        "Embedding with padding masks, LSTM",
        lambda: _recurrent(layers.LSTM, True),
        _words,
    ),
    Artifact(
        "gru", "GRU with dropout of inputs and states", lambda: _recurrent(layers.GRU), _SERIES
    ),
    Artifact(
        "transformer",
        "attention, LayerNormalization, gelu, DropPath",
        _transformer,
        _floats("x", 5, 16),
    ),
    Artifact("dict", "dict of inputs, dict of outputs", _dict_inputs, _both),
    Artifact("embedding", "integer inputs, Embedding, SpatialDropout", _embedding, _words),
    Artifact(
        "half",
        "Dense in float16",
        _half,
        lambda r, n: {"x": _X(r, n)["x"].astype("float16")},
        precision="float16",
    ),
    Artifact(
        "mc mean",
        "`samples=4`: mean and standard deviation",
        lambda: _dense(True),
        _X,
        {"samples": SAMPLES},
    ),
    Artifact("mc samples", "`samples=4, reduce=None`", lambda: _dense(True), _X, _SAMPLES),
    Artifact(
        "mc rows", "DropConnect, `samples=4, reduce=None`: row by row", _drop_connect, _X, _SAMPLES
    ),
    Artifact(
        "mc fixed",
        "`samples=4, reduce=None, fixed_masks=True`",
        lambda: _dense(True),
        _X,
        {**_SAMPLES, "fixed_masks": True},
    ),
    Artifact("mc cnn", "Conv2D, DropBlock2D, `samples=4`", _cnn, _IMAGE, {"samples": SAMPLES}),
    Artifact(
        "mc lstm",
        "LSTM with recurrent dropout, `samples=4, reduce=None`",
        lambda: _recurrent(layers.LSTM, show=True),
        _SERIES,
        _SAMPLES,
    ),
    Artifact(
        "mc transformer",
        "dropout in attention, DropPath, `samples=4`",
        _transformer,
        _floats("x", 5, 16),
        {"samples": SAMPLES},
    ),
    Artifact(
        "mc dict",
        "dict inputs and outputs, `samples=4, reduce=None`",
        lambda: _dict_inputs(True),
        _both,
        _SAMPLES,
    ),
    Artifact(
        "mc portable",
        '`samples=4, reduce=None, rng="portable"`, seeds of 32 bits',
        lambda: _dense(True),
        _X,
        {**_SAMPLES, "rng": "portable"},
        seeds=SEEDS_OF_32_BITS,
    ),
    Artifact(
        "mc portable rows",
        'DropConnect, `samples=4, reduce=None, rng="portable"`, seeds of 32 bits',
        _drop_connect,
        _X,
        {**_SAMPLES, "rng": "portable"},
        seeds=SEEDS_OF_32_BITS,
    ),
)
