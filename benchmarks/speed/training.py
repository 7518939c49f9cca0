"""Times whole training steps: a small CNN and a small transformer, with each kind of dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_dropouts as kd

BATCH = 64


def steps() -> dict[str, dict[str, Callable[[int], None]]]:
    """Return for each model its contenders: a function that takes n training steps."""
    return {
        "CNN": {name: _step(_cnn(make), (32, 32, 3)) for name, make in _CNN_DROPOUTS.items()},
        "transformer": {
            name: _step(_transformer(make), (64, 128)) for name, make in _DROPOUTS.items()
        },
    }


def _nothing() -> keras.Layer:
    return keras.layers.Identity()


_DROPOUTS: dict[str, Callable[[], Any]] = {
    "no dropout": _nothing,
    "keras Dropout": lambda: keras.layers.Dropout(0.1),
    "ScheduledDropout": lambda: kd.ScheduledDropout(0.1),
}
_CNN_DROPOUTS: dict[str, Callable[[], Any]] = {
    **_DROPOUTS,
    "DropBlock2D": lambda: kd.DropBlock2D(0.1, 3),
    "DropBlock2D shared": lambda: kd.DropBlock2D(0.1, 3, shared=True),
}


def _cnn(dropout: Callable[[], Any]) -> keras.Model:
    x = inputs = keras.Input((32, 32, 3))
    for filters in (32, 64, 128):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = dropout()(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def _transformer(dropout: Callable[[], Any]) -> keras.Model:
    x = inputs = keras.Input((64, 128))
    for _ in range(2):
        y = keras.layers.LayerNormalization()(x)
        y = keras.layers.MultiHeadAttention(4, 32)(y, y)
        x = keras.layers.Add()([x, dropout()(y)])
        y = keras.layers.LayerNormalization()(x)
        y = dropout()(keras.layers.Dense(512, activation="relu")(y))
        x = keras.layers.Add()([x, dropout()(keras.layers.Dense(128)(y))])
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def _step(model: keras.Model, shape: tuple[int, ...]) -> Callable[[int], None]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, *shape), "float32")
    y = rng.integers(0, 10, BATCH)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=keras.backend.backend() == "jax")

    def run(times: int) -> None:
        for _ in range(times):
            model.train_on_batch(x, y)

    return run
