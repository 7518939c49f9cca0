"""Tests that the code in the README runs as it stands there."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_dropouts_export as kde

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", README.read_text(), re.S)
    assert [name for name, _ in blocks] == ["train", "serve", "sample"]
    random = np.random.default_rng(0)
    x, y = random.random((64, 8, 8, 1), "float32"), random.integers(0, 10, 64)
    names = {"np": np, "x": x, "y": y}
    for _, code in blocks:
        exec(code, names)
    np.testing.assert_allclose(
        names["probabilities"], names["model"].predict(names["x"][:5]), rtol=1e-4, atol=1e-6
    )
    alone = names["kd"].mc_predict(names["model"], names["x"][:5], samples=32, seed=7)
    np.testing.assert_allclose(names["mean"], alone.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(names["std"], alone.std, rtol=1e-3, atol=1e-6)
    printed = capsys.readouterr().out
    assert "LinearRamp(initial_rate=0.0, final_rate=0.4, ramp_steps=500" in printed
    assert "random operations: none" in printed


@pytest.mark.parametrize("samples", [None, 4])
def test_the_page_of_the_self_test_runs(samples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    softmax = keras.layers.Dense(3, activation="softmax", name="digit")
    rows = [keras.Input((8, 8, 1), name="image"), keras.layers.Flatten(), keras.layers.Dropout(0.5)]
    kde.export_onnx(keras.Sequential([*rows, softmax]), "model.onnx", samples=samples)
    page = README.parent / "docs" / "self_test.md"
    blocks = re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", page.read_text(), re.S)
    assert [name for name, _ in blocks] == ["self_test", "without"]
    names: dict[str, object] = {}
    for _, code in blocks:
        exec(code, names)
    assert names["report"].ok
    assert len(names["answers"]) == len(names["names"])
