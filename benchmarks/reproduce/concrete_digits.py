"""Trains nets whose rates are learned on 100 to 6,000 digits, beside none and constant rates."""

from __future__ import annotations

from typing import Any

import keras
from image_nets import BATCH, measured, scores, trained
from keras import layers
from real_digits import CLASSES, split

import keras_dropouts as kd

SIZES = (100, 400, 1600, 6000)  # digits to learn from
KINDS = ("none", "constant 0.2", "concrete")
STEPS, UNITS, SAMPLES, LEARNING_RATE = 1500, 128, 32, 3e-3
PLACES = ("input", "hidden 1", "hidden 2")
ARMS = [f"{kind} {size}" for size in SIZES for kind in KINDS]


def network(kind: str, size: int) -> keras.Model:
    """Return a feed-forward net with dropout before each of its three dense layers."""

    def dropped(layer: keras.layers.Layer) -> list[Any]:
        if kind == "concrete":
            return [kd.ConcreteDropout(layer, 0.1, data_size=size, loss="crossentropy")]
        return [layer] if kind == "none" else [kd.ScheduledDropout(float(kind[9:])), layer]

    parts = [keras.Input((28, 28, 1)), layers.Flatten()]
    for _ in range(2):
        parts += dropped(layers.Dense(UNITS, activation="relu"))
    return keras.Sequential([*parts, *dropped(layers.Dense(CLASSES, activation="softmax"))])


def run(arm: str, seed: int) -> dict[str, float]:
    """Train one net and return its scores, those of its samples, and the rates."""
    kind, _, count = arm.rpartition(" ")
    size = int(count)
    data = split(seed, size)
    epochs = STEPS * BATCH // size
    make = lambda: network(kind, size)  # noqa: E731
    model = trained(arm, make, data.train, epochs, seed, LEARNING_RATE)
    found = measured(model, *data)
    if kind == "none":
        return found
    x, y = data.test
    mean = kd.mc_predict(
        model, x, SAMPLES, seed, batch_size=500, reduce="mean_std", verbose=False
    ).mean
    found["sampled loss"], found["sampled accuracy"] = scores(mean, y)
    drops = [each for each in model.layers if hasattr(each, "rate")]
    return found | {
        f"rate {name}": float(each.rate) for name, each in zip(PLACES, drops, strict=True)
    }
