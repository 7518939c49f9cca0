"""Makes and trains small nets on digits of 28 x 28 pixels, and measures what they predict."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers
from real_digits import CLASSES, Part
from training import fit, train

BATCH = 64
Drop = Callable[[], keras.layers.Layer] | None
_MODELS: dict[str, keras.Model] = {}


def convolutional(drop: Drop, filters: int) -> keras.Model:
    """Return a net whose feature maps of 14 x 14 are dropped from, after each of two layers."""
    parts = [
        keras.Input((28, 28, 1)),
        layers.Conv2D(filters, 5, strides=2, padding="same", activation="relu"),
    ]
    for _ in range(2):
        parts += [layers.Conv2D(2 * filters, 3, padding="same", activation="relu")]
        parts += [drop()] if drop else []
    parts += [layers.MaxPooling2D(), layers.Flatten()]
    return keras.Sequential([*parts, layers.Dense(CLASSES, activation="softmax")])


def dense(drop: Drop, units: int) -> keras.Model:
    """Return a feed-forward net with `drop` after each of two hidden layers."""
    parts = [keras.Input((28, 28, 1)), layers.Flatten()]
    for _ in range(2):
        parts += [layers.Dense(units, activation="relu")]
        parts += [drop()] if drop else []
    return keras.Sequential([*parts, layers.Dense(CLASSES, activation="softmax")])


def steps_of(rows: int, epochs: int) -> int:
    """Return how many steps `fit` takes."""
    return -(-rows * epochs // BATCH)


def trained(
    name: str,
    make: Callable[[], keras.Model],
    data: Part,
    epochs: int,
    seed: int,
    learning_rate: float = 1e-3,
) -> keras.Model:
    """Return a net of its own seed, trained by Adam with a learning rate that falls by a cosine.

    To trace a training takes longer than to run it here. So one `name` has one model, traced once,
    which takes the state of a fresh net at each call: the last call's model is this call's, too.
    """
    keras.utils.set_random_seed(seed)
    fresh = make()
    if name not in _MODELS:
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps_of(len(data.x), epochs))
        optimizer = keras.optimizers.Adam(rate)
        train(fresh, "sparse_categorical_crossentropy", data, epochs, BATCH, seed, optimizer)
        _MODELS[name] = fresh
        return fresh
    model = _MODELS[name]
    for layer, other in zip(model.layers, fresh.layers, strict=True):
        for variable, new in zip(layer.variables, other.variables, strict=True):
            variable.assign(new)
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    fit(model, data, epochs, BATCH, seed)
    return model


def predicted(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, C) at inference."""
    # Not by `predict`: to trace a net takes longer than to run it eagerly.
    parts = (model(x[i : i + 500], training=False) for i in range(0, len(x), 500))
    return np.concatenate([keras.ops.convert_to_numpy(each) for each in parts])


def scores(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean cross-entropy in nats and the accuracy."""
    right = probabilities[np.arange(len(labels)), labels]
    loss = float(-np.log(np.maximum(right, 1e-7)).mean())
    return loss, float((probabilities.argmax(axis=1) == labels).mean())


def measured(model: keras.Model, train: Part, validation: Part, test: Part) -> dict[str, float]:
    """Return the losses and accuracies of a model."""
    found = {}
    for name, part in {"training": train, "validation": validation, "test": test}.items():
        loss, accuracy = scores(predicted(model, part.x), part.y)
        found |= {f"{name} loss": loss, f"{name} accuracy": accuracy}
    return found
