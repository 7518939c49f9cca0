"""Makes the ONNX files and tables that the tests of scoring share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import keras_dropouts as kd
import keras_dropouts_export as kde

SAMPLES = 8


def table_model() -> keras.Model:
    """Return a model of four numbers a row, with a scalar and a vector as outputs."""
    x = keras.Input((4,), name="features")
    hidden = kd.ScheduledDropout(0.3)(keras.layers.Dense(8, activation="relu")(x))
    risk = keras.layers.Dense(1, name="risk")(hidden)
    kinds = keras.layers.Dense(3, activation="softmax", name="kinds")(hidden)
    return keras.Model(x, [risk, kinds], name="table")


def mixed_model() -> keras.Model:
    """Return a model of an image, an integer and a number, which come as a dict."""
    inputs = {
        "image": keras.Input((3, 2, 1), name="image"),
        "word": keras.Input((), dtype="int32", name="word"),
        "age": keras.Input((1,), name="age"),
    }
    word = keras.layers.Embedding(5, 2)(inputs["word"])
    parts = [keras.layers.Flatten()(inputs["image"]), word, inputs["age"]]
    both = keras.layers.Dropout(0.5)(keras.layers.Concatenate()(parts))
    return keras.Model(inputs, {"score": keras.layers.Dense(2, name="score")(both)}, name="mixed")


def export(model: keras.Model, path: Path, **options: Any) -> Path:
    """Write a model with samples to an ONNX file."""
    kde.export_onnx(model, path, **{"samples": SAMPLES, **options})
    return path


def rows(count: int, seed: int = 3) -> np.ndarray:
    """Return rows for `table_model`, the same ones each time."""
    return np.random.default_rng(seed).standard_normal((count, 4)).astype("float32")


def mixed_rows(count: int) -> dict[str, np.ndarray]:
    """Return rows for `mixed_model`."""
    random = np.random.default_rng(4)
    return {
        "image": random.random((count, 3, 2, 1), "float32"),
        "word": random.integers(0, 5, count).astype("int32"),
        "age": random.random((count, 1), "float32"),
    }


def expected(model: keras.Model, x: Any, seed: int, count: int) -> kd.MonteCarloPrediction:
    """Return what `mc_predict` says of the rows of a table with the seed of a scorer."""
    return kd.mc_predict(model, x, samples=SAMPLES, row_seeds=kd.row_seeds(seed, count))


def write_parquet(path: Path, x: np.ndarray, group: int = 100) -> Path:
    """Write rows of `table_model` with a column of text to a Parquet file."""
    columns = {"name": [f"row {n}" for n in range(len(x))], "features": list(x)}
    table = pa.table({**columns, "features": pa.array(columns["features"], pa.list_(pa.float32()))})
    pq.write_table(table, path, row_group_size=group)
    return path


def write_csv(path: Path, x: np.ndarray) -> Path:
    """Write rows of `table_model` to a CSV file, a column for each number."""
    head = ",".join(["name", *(f"features_{n}" for n in range(4))])
    lines = [
        f'"row, {n}",' + ",".join(repr(float(each)) for each in row) for n, row in enumerate(x)
    ]
    path.write_text("\n".join([head, *lines]) + "\n")
    return path
