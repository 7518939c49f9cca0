"""Which dropout for which network: convolutional, recurrent and feed-forward, on the digits.

Each net learns from 300 of the handwritten digits, once without dropout and once with each kind
that suits it, and the gap between its training and its test score is printed, the mean of several
seeds. `python examples/networks.py [convolutional] [recurrent] [feed-forward]`
"""

from __future__ import annotations

import functools
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dropouts as kd

SEEDS = (0, 1, 2, 3, 4)


def convolutional(drop: Callable[[], keras.layers.Layer] | None) -> keras.Model:
    """Return a convolutional net with `drop` after each of its feature maps."""
    parts = [keras.Input((8, 8)), layers.Reshape((8, 8, 1))]
    for filters in (32, 64):
        parts += [layers.Conv2D(filters, 3, padding="same", activation="relu")]
        parts += [drop()] if drop else []
    parts += [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, activation="softmax")]
    return keras.Sequential(parts)


def recurrent(wrap: Callable[[keras.layers.Layer], keras.layers.Layer] | None) -> keras.Model:
    """Return a net that reads an image row by row, its LSTM wrapped by `wrap`."""
    lstm = layers.LSTM(96)
    reader = wrap(lstm) if wrap else lstm
    return keras.Sequential([keras.Input((8, 8)), reader, layers.Dense(10, activation="softmax")])


def feed_forward(drop: Callable[[int], list[keras.layers.Layer]] | None) -> keras.Model:
    """Return a feed-forward net whose hidden layers `drop` makes, dropout and all."""
    parts = [keras.Input((8, 8)), layers.Flatten()]
    for _ in range(2):
        parts += drop(256) if drop else [layers.Dense(256, activation="relu")]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])


def hidden(units: int, drop: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return a hidden layer and the dropout behind it."""
    return [layers.Dense(units, activation="relu"), drop]


STEPS = 500  # training steps of a feed-forward or convolutional run
NETWORKS: dict[str, tuple[Callable[..., keras.Model], int, dict[str, Callable | None]]] = {
    "convolutional": (
        convolutional,
        100,
        {
            "no dropout": None,
            "single units 0.3": lambda: kd.ScheduledDropout(0.3),
            "whole channels 0.2": lambda: kd.SpatialDropout(0.2),
            "blocks of 3x3, 0.2": lambda: kd.DropBlock2D(0.2, block_size=3),
            "blocks, ramp to 0.2": lambda: kd.DropBlock2D(
                kd.schedules.LinearRamp(0.0, 0.2, ramp_steps=STEPS), block_size=3
            ),
        },
    ),
    "recurrent": (
        recurrent,
        150,
        {
            "no dropout": None,
            "variational 0.3": lambda lstm: kd.VariationalRNN(lstm, 0.3),
            "zoneout 0.1, 0.3": lambda lstm: kd.Zoneout(lstm, 0.1, cell_rate=0.3),
        },
    ),
    "feed-forward": (
        feed_forward,
        100,
        {
            "no dropout": None,
            "units 0.5": lambda units: hidden(units, kd.ScheduledDropout(0.5)),
            "Gaussian 0.5": lambda units: hidden(units, kd.GaussianDropout(0.5)),
            "weights 0.5": lambda units: [
                kd.DropConnect(layers.Dense(units, activation="relu"), 0.5)
            ],
        },
    ),
}


def measure(make: Callable[[], keras.Model], epochs: int, seed: int) -> tuple[float, float]:
    """Return training and test accuracy of one run."""
    keras.utils.set_random_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images.reshape(-1, 8, 8) / 16.0, labels, train_size=300, stratify=labels, random_state=seed
    )
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=60, verbose=0)
    scores = [model.evaluate(*data, verbose=0) for data in ((x, y), (x_test, y_test))]
    return scores[0][1], scores[1][1]


def main(names: list[str]) -> None:
    """Print one row for each network and kind of dropout."""
    print(f"{'network':14} {'dropout':20} {'train':>6} {'test':>6} {'+-':>6} {'gap':>6}")
    for name in names or NETWORKS:
        build, epochs, kinds = NETWORKS[name]
        for kind, drop in kinds.items():
            make = functools.partial(build, drop)
            runs = np.array([measure(make, epochs, seed) for seed in SEEDS])
            train, test = runs.mean(axis=0)
            error = runs[:, 1].std(ddof=1) / np.sqrt(len(SEEDS))
            gap = train - test
            print(
                f"{name:14} {kind:20} {train:6.3f} {test:6.3f} {error:6.3f} {gap:6.3f}", flush=True
            )


if __name__ == "__main__":
    main(sys.argv[1:])
