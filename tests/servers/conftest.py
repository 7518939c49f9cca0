"""Makes the artifact that every server gets, and what `mc_predict` says of 64 rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import onnx
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


@pytest.fixture(scope="session")
def column(served: Served) -> Path:
    """Write a variant of the file whose seed is of shape (batch, 1)."""
    path = served.path.with_name("column.onnx")
    seeds_as_column(served.path, path)
    return path


def seeds_as_column(path: Path, out: Path) -> None:
    """Write a variant of a file whose seed is of shape (batch, 1), with a self-test to match."""
    model = onnx.load(path)
    (seed,) = (each for each in model.graph.input if each.name == "seed")
    seed.type.tensor_type.shape.dim.add().dim_value = 1
    for node in model.graph.node:
        node.input[:] = ["seed of each row" if name == "seed" else name for name in node.input]
    shape = onnx.numpy_helper.from_array(np.array([-1]), "one axis")
    model.graph.initializer.append(shape)
    reshape = onnx.helper.make_node("Reshape", ["seed", shape.name], ["seed of each row"])
    model.graph.node.insert(0, reshape)
    for each in model.metadata_props:
        if each.key == "keras_dropouts.self_test":
            test = json.loads(each.value)
            test["inputs"]["seed"]["shape"].append(1)
            each.value = json.dumps(test)
    onnx.checker.check_model(model)
    onnx.save(model, out)
