"""Keras's TFSMLayer calls both functions of a SavedModel, the one with samples by its seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde


def _one() -> tuple[keras.Model, Any]:
    rows = [keras.Input((4,), name="x"), layers.Dense(6), layers.Dropout(0.5)]
    model = keras.Sequential([*rows, layers.Dense(2, name="y")])
    return model, np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def _two() -> tuple[keras.Model, Any]:
    inputs = {name: keras.Input((3,), name=name) for name in ("left", "right")}
    x = layers.Dropout(0.5)(layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, layers.Dense(2, name="y")(x))
    random = np.random.default_rng(0)
    return model, {name: random.normal(size=(5, 3)).astype("float32") for name in inputs}


@pytest.mark.parametrize("make", [_one, _two])
def test_both_functions(make: Any, tmp_path: Path) -> None:
    model, x = make()
    folder = tmp_path / "saved"
    kde.export_saved_model(model, folder, samples=4)
    plain = keras.layers.TFSMLayer(folder, call_endpoint="serve")
    np.testing.assert_allclose(plain(x), model(x), rtol=1e-5, atol=1e-6)
    sampled = keras.layers.TFSMLayer(folder, call_endpoint="serve_mc")
    seeds = kd.row_seeds(7, 5)
    found = sampled(x, seed=keras.ops.convert_to_tensor(seeds))
    wanted = kd.mc_predict(model, x, 4, row_seeds=seeds, verbose=False)
    np.testing.assert_allclose(found["y_mean"], wanted.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["y_std"], wanted.std, rtol=1e-4, atol=1e-5)


def test_inside_a_model(tmp_path: Path) -> None:
    model, x = _one()
    kde.export_saved_model(model, tmp_path / "saved", samples=4)
    layer = keras.layers.TFSMLayer(tmp_path / "saved", call_endpoint="serve_mc")
    inputs, seed = keras.Input((4,)), keras.Input((), dtype="int64")
    served = keras.Model([inputs, seed], layer(inputs, seed=seed))
    seeds = kd.row_seeds(3, 5)
    found = served.predict([x, seeds], batch_size=2, verbose=0)
    wanted = kd.mc_predict(model, x, 4, seed=3, verbose=False)
    np.testing.assert_allclose(found["y_mean"], wanted.mean, rtol=1e-4, atol=1e-5)
