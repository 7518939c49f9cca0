"""Makes small models of the usual kinds, and inputs for them, which every format has to hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

import keras_dropouts as kd
import served
from keras_dropouts.keras_internals.graphs import graph_of, made_by
from keras_dropouts_export.checks.tolerances import TOLERANCE
from subjects import SUBJECTS

BATCHES = (1, 2, 7)
SERIES, ANY_LENGTH, IMAGE = (6, 4), (None, 4), (8, 8, 3)


def _chain(shape: tuple[int | None, ...], *parts: Any, dtype: str = "float32") -> keras.Model:
    """Return a model that is one layer after another."""
    return keras.Sequential([keras.Input(shape, dtype=dtype, name="x"), *parts])


def _attention(**arguments: Any) -> keras.Model:
    x = keras.Input(ANY_LENGTH, name="x")
    y = layers.MultiHeadAttention(2, 4, dropout=0.2, name="attend")(x, x, **arguments)
    y = layers.LayerNormalization(name="norm")(layers.Dropout(0.1)(y) + x)
    return keras.Model(x, layers.GlobalAveragePooling1D(name="mean")(y))


def _masked(recurrent: Any) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(10, 4, mask_zero=True)(tokens)
    return keras.Model(tokens, layers.Dense(2, name="score")(recurrent(kd.SpatialDropout(0.2)(x))))


def _many() -> keras.Model:
    first = keras.Input((4,), name="first")
    second = keras.Input((3,), dtype="int64", name="second")
    y = layers.Flatten()(layers.Embedding(10, 2)(second))
    y = layers.Dropout(0.3)(layers.Concatenate()([first, y]))
    outputs = {"sum": layers.Dense(1)(y), "class": layers.Dense(3, activation="softmax")(y)}
    return keras.Model({"first": first, "second": second}, outputs)


def _twice() -> keras.Model:
    x = keras.Input((4,), name="x")
    y = layers.Dense(3, name="y")(x)
    return keras.Model(x, {"kept": y, "dropped": layers.Dropout(0.5)(y), "same": x})


def _residual() -> keras.Model:
    x = keras.Input(IMAGE, name="image")
    y = layers.Conv2D(3, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Add()([x, kd.DropPath(0.2)(y)])
    return keras.Model(x, layers.GlobalMaxPooling2D(name="features")(y))


def _mixed(policy: str) -> keras.Model:
    head = layers.Dense(3, activation="softmax", dtype="float32", name="head")
    parts = [layers.Conv2D(4, 3, dtype=policy), layers.Flatten(), layers.Dense(6, dtype=policy)]
    return _chain(IMAGE, *parts, layers.Dropout(0.2, dtype=policy), head)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "dense": served.dense_model,
    "conv with every dropout": served.image_model,
    "residual with batch norm": _residual,
    "separable": lambda: _chain(IMAGE, layers.SeparableConv2D(4, 3, strides=2), layers.Flatten()),
    "depthwise": lambda: _chain(IMAGE, layers.DepthwiseConv2D(3, padding="same")),
    "transposed": lambda: _chain(IMAGE, layers.Conv2DTranspose(2, 3, strides=2, padding="same")),
    "conv of any length": lambda: _chain(
        ANY_LENGTH, layers.Conv1D(3, 3, padding="causal"), layers.GlobalMaxPooling1D()
    ),
    "resized": lambda: _chain(
        IMAGE, layers.UpSampling2D(), layers.Resizing(6, 5), layers.Flatten()
    ),
    "normalized": lambda: _chain(
        (6,), layers.Normalization(mean=0.5, variance=2.0), layers.LayerNormalization()
    ),
    "group norm": lambda: _chain((8, 8, 4), layers.GroupNormalization(2)),
    "attention": _attention,
    "causal attention": lambda: _attention(use_causal_mask=True),
    "lstm": lambda: _chain(ANY_LENGTH, layers.LSTM(3, dropout=0.2)),
    "lstm sequences": lambda: _chain(SERIES, layers.LSTM(3, return_sequences=True, unroll=True)),
    "gru": lambda: _chain(ANY_LENGTH, layers.GRU(3, return_sequences=True, dropout=0.2)),
    "gru reset before": lambda: _chain(SERIES, layers.GRU(3, reset_after=False)),
    "simple rnn backwards": lambda: _chain(SERIES, layers.SimpleRNN(3, go_backwards=True)),
    "bidirectional": lambda: _chain(
        ANY_LENGTH,
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.Bidirectional(layers.GRU(2)),
    ),
    "masked lstm": lambda: _masked(layers.LSTM(3)),
    "masked gru": lambda: _masked(layers.Bidirectional(layers.GRU(3))),
    "time distributed": lambda: _chain(
        SERIES, layers.TimeDistributed(layers.Dense(3)), layers.TimeDistributed(layers.Dropout(0.2))
    ),
    "conv lstm": lambda: _chain((3, 6, 6, 1), layers.ConvLSTM2D(2, 3)),
    "embedding": lambda: _chain(
        (5,), kd.EmbeddingDropout(layers.Embedding(10, 4), 0.2), layers.Flatten(), dtype="int32"
    ),
    "many inputs and outputs": _many,
    "graph of many kinds": served.graph_model,
    "one tensor under two names": _twice,
    "nested": lambda: _chain((4,), served.dense_model(), layers.Dense(2)),
    "mixed float16": lambda: _mixed("mixed_float16"),
    "mixed bfloat16": lambda: _mixed("mixed_bfloat16"),
} | {
    f"our {subject.name}": (lambda subject=subject: subject.model(0.25))  # type: ignore[misc]
    for subject in SUBJECTS
}


def inputs_of(model: keras.Model, batch: int) -> tuple[Any, dict[str, np.ndarray]]:
    """Return inputs in the model's structure, and by name; a dynamic length is 5 + `batch`."""
    random = np.random.default_rng(batch)

    def values(x: Any) -> np.ndarray:
        shape = (batch, *(5 + batch if size is None else size for size in x.shape[1:]))
        if "int" in x.dtype:
            return random.integers(0, 10, shape).astype(x.dtype)
        return random.standard_normal(shape).astype(x.dtype)

    structure = graph_of(model).input
    arrays = keras.tree.map_structure(values, structure)
    names = [made_by(x)[0].name for x in keras.tree.flatten(structure)]
    return arrays, dict(zip(names, keras.tree.flatten(arrays), strict=True))


def assert_close(model: keras.Model, given: Any, got: dict[str, Any], names: list[str]) -> None:
    """Assert that `got` is what the model predicts; `names` are those of its outputs, in order."""
    wanted = keras.tree.flatten(model(given, training=False))
    half = {"float16", "bfloat16"} & {layer.compute_dtype for layer in model.layers}
    atol, rtol = TOLERANCE[next(iter(half), "float32")]
    assert sorted(got) == sorted(names)
    for name, each in zip(names, wanted, strict=True):
        value = keras.ops.convert_to_numpy(each)
        scale = float(np.abs(value).max())
        np.testing.assert_allclose(got[name], value, rtol=0.0, atol=atol + rtol * scale)
