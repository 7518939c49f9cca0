"""Makes the artifact that every server gets, and what `mc_predict` says of 64 rows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde

ROWS = 64
LABELS = ["cat", "dog", "bird"]


class Served(NamedTuple):
    """A file, a model, rows, a seed for each, and the answers that are wanted."""

    path: Path
    model: keras.Model
    x: np.ndarray
    seeds: np.ndarray
    wanted: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Export a CNN with dropout blocks and dropout, and predict what it is to answer."""
    keras.utils.set_random_seed(20)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Conv2D(4, 3, activation="relu"),
            kd.DropBlock2D(0.2, 3),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(3, activation="softmax", name="digit"),
        ]
    )
    path = tmp_path_factory.mktemp("served") / "digits.onnx"
    kde.export_onnx(model, path, samples=32, labels=LABELS, uncertainty=True)
    x = np.random.default_rng(0).random((ROWS, 8, 8, 1), "float32")
    seeds = kd.row_seeds(7, ROWS)
    found = kd.mc_predict(model, x, samples=32, row_seeds=seeds)
    wanted = {"digit_mean": np.asarray(found.mean), "digit_std": np.asarray(found.std)}
    # So that equal answers say something: with the seed of another row they are not.
    other = kd.mc_predict(model, x, samples=32, row_seeds=np.roll(seeds, 1))
    assert np.all(np.max(np.abs(other.mean - wanted["digit_mean"]), axis=-1) > 1e-3)
    assert np.max(np.abs(other.mean - wanted["digit_mean"])) > 1e-2
    return Served(path, model, x, seeds, wanted)
