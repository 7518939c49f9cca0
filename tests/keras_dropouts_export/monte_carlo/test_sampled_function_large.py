"""Tests of Monte-Carlo dropout in models larger than an ONNX file, with the limit lowered."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from keras import layers

import drawn
import keras_dropouts as kd
import keras_dropouts_export as kde
import zoo
from keras_dropouts_export.formats.onnx import large_weights
from runtimes import assert_close, inputs_for, lowest_precision
from served import inputs_of

SEED = 4


@pytest.fixture(autouse=True)
def lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_weights, "APART", 1)
    monkeypatch.setattr(large_weights, "LARGE", 1)
    monkeypatch.setattr(large_weights, "KEPT", 64)


def apart(path: Path) -> list[Any]:
    """Return the weights that are not in the file itself."""
    graph = onnx.load(path, load_external_data=False).graph
    return [each for each in graph.initializer if each.data_location == each.EXTERNAL]


def wide() -> keras.Model:
    """Return a model with dropout of units, of weights and of a recurrent layer's state."""
    inputs = keras.Input((5, 8), name="x")
    x = layers.Dense(8, activation="relu")(inputs)
    x = kd.ScheduledDropout(0.3)(x)
    x = layers.LSTM(8, dropout=0.3, recurrent_dropout=0.3)(x)
    x = kd.DropConnect(layers.Dense(8), 0.3)(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="y")(x))


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_weights_are_in_a_second_file_and_samples_those_of_keras(
    chunk_size: int | None, tmp_path: Path
) -> None:
    model, path = wide(), tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, samples=5, reduce=None, chunk_size=chunk_size)
    assert [each.name for each in report.inputs] == ["x", "seed"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert report.bytes == sum(each.stat().st_size for each in tmp_path.iterdir())
    assert len(apart(path)) >= 5
    assert kde.verify(model, path).ok
    assert kde.audit(path).ok
    x = inputs_of(model)
    expected = kd.mc_predict(model, x, 5, SEED, verbose=False).samples
    got = np.moveaxis(drawn.serve(path, x, SEED)[0], 1, 0)
    np.testing.assert_allclose(got, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["cnn", "subclassed", "mixed_bfloat16"])
def test_models_of_every_kind(name: str, tmp_path: Path) -> None:
    model, path = zoo.ZOO[name](), tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, samples=3)
    assert apart(path)
    assert kde.verify(model, path).ok
    x = inputs_for(report)[report.inputs[0].name]
    expected = kd.mc_predict(model, x, 3, SEED, verbose=False)
    pairs = zip(keras.tree.flatten(expected.mean), keras.tree.flatten(expected.std), strict=True)
    wanted = [np.asarray(each, "float32") for pair in pairs for each in pair]
    assert_close(
        dict(enumerate(drawn.serve(path, x, SEED))),
        dict(enumerate(wanted)),
        lowest_precision(model),
    )


def test_native_numbers_take_no_seed(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    report = kde.export_onnx(wide(), path, samples=16, rng="native")
    assert [each.name for each in report.inputs] == ["x"]
    assert [each.name for each in onnx.load(path).graph.input] == ["x"]
    assert apart(path)
