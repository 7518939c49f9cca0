"""Makes the models that tests of `kd.compare` train, in processes of their own too."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np

import keras_dropouts as kd


def data(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels of two classes."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 6)).astype("float32")
    return x, (x[:, 0] + generator.normal(size=rows) > 0).astype("int32")


def _build(rate: float) -> keras.Model:
    stack = [
        keras.Input((6,)),
        keras.layers.Dense(16, "relu"),
        kd.ScheduledDropout(rate),
        keras.layers.Dense(2, "softmax"),
    ]
    model = keras.Sequential(stack)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def none() -> keras.Model:
    """Return a model whose dropout is off."""
    return _build(0.0)


def units() -> keras.Model:
    """Return a model with dropout."""
    return _build(0.5)


def none_after_draws() -> keras.Model:
    """Return the model of `none`, and draw random numbers meanwhile."""
    model = _build(0.0)
    np.random.random(random.randint(1, 5))
    return model


def failing() -> keras.Model:
    """Raise an error."""
    raise OSError("no such model")


def rows_held_out(model: Any, x: Any, y: Any) -> float:
    """Return a number that tells which rows were held out."""
    return float(np.sum(x))
