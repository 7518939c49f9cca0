"""Tests of the ensemble: its samples are the models' own predictions, whatever they are fed by."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import pytest

import keras_dropouts as kd

layers = keras.layers
X = np.random.default_rng(0).normal(size=(11, 4)).astype("float32")


def _models(count: int = 3) -> list[keras.Model]:
    models = []
    for seed in range(count):
        keras.utils.set_random_seed(seed)
        stack = [keras.Input((4,)), layers.Dropout(0.5), layers.Dense(3, "softmax")]
        models.append(keras.Sequential(stack))
    return models


def _two_headed(seed: int, structure: Any = dict) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = {"a": keras.Input((4,), name="a"), "b": keras.Input((2,), name="b")}
    y = layers.concatenate([x["a"], x["b"]])
    one, two = layers.Dense(3, "softmax")(y), layers.Dense(1)(y)
    return keras.Model(x, {"one": one, "two": two} if structure is dict else [one, two])


def test_samples_are_the_models_predictions() -> None:
    models = _models()
    made = kd.uncertainty.ensemble(models, X, batch_size=4, verbose=False)
    expected = np.stack([model.predict(X, verbose=0) for model in models])
    assert isinstance(made, kd.MonteCarloPrediction)
    assert (made.samples.shape, made.samples.dtype, made.seed) == ((3, 11, 3), np.float32, None)
    np.testing.assert_allclose(made.samples, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made.mean, expected.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made.std, expected.std(0), rtol=1e-4, atol=1e-6)
    assert (made.mutual_information > 0.0).all()


def test_structures_and_generators_are_taken() -> None:
    models = [_two_headed(seed) for seed in range(2)]
    data = {"a": X, "b": X[:, :2]}
    made = kd.uncertainty.ensemble(models, data, batch_size=5, verbose=False)
    assert made.samples["one"].shape == (2, 11, 3)
    assert made.samples["two"].shape == (2, 11, 1)
    batches = ({"a": X[i : i + 6], "b": X[i : i + 6, :2]} for i in (0, 6))
    read = kd.uncertainty.ensemble(models, batches, verbose=False)
    for name in ("one", "two"):
        np.testing.assert_allclose(read.samples[name], made.samples[name], rtol=1e-5, atol=1e-6)


def test_what_does_not_fit() -> None:
    one, two = _models(2)
    wide = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    other = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    bad = [
        ([one], X, "`models`. Expected a list of two or more models"),
        (one, X, "`models`. Expected a list of two or more models"),
        ([one, 3], X, "`models`. Expected a keras.Model. Received: models=3"),
        ([one, one], X, "`models`. Expected models that differ"),
        ([one, keras.Sequential([layers.Dense(3)])], X, "`models`. Expected a built model"),
        ([one, wide], X, "`models`. Expected models with outputs of one structure, (11, 3)"),
        ([one, two], X[:, :3], "`x`. Expected arrays of shapes [(None, 4)]"),
        ([one, other], X, "cannot be sampled on inputs of shapes [(11, 4)]"),
    ]
    for models, x, message in bad:
        with pytest.raises(ValueError, match=re.escape(message)):
            kd.uncertainty.ensemble(models, x, verbose=False)
    with pytest.raises(ValueError, match=r"`batch_size`\. Expected an integer not below 1"):
        kd.uncertainty.ensemble([one, two], X, batch_size=0)
    lists = _two_headed(0, list)
    data = {"a": X, "b": X[:, :2]}
    with pytest.raises(ValueError, match="models with outputs of one structure"):
        kd.uncertainty.ensemble([_two_headed(1), lists], data, verbose=False)
