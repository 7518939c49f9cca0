"""Files of models with layers that put another dimension first before they draw."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_hub
import numpy as np
import onnxruntime
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde


def xlnet() -> keras.Model:
    return keras_hub.models.XLNetBackbone(
        vocabulary_size=8, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8, dropout=0.5
    )


@pytest.mark.slow
def test_xlnet_samples_each_row_by_its_own_seed(tmp_path: Path) -> None:
    model, path = xlnet(), tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=3, reduce=None)
    session = onnxruntime.InferenceSession(path)
    rows, length = 5, 12
    x = {each.name: np.ones((rows, length), "int32") for each in model.inputs}
    seeds = np.array([5, -3, 5, 2**40, 7])
    names = [each.name for each in session.get_inputs()]
    feeds = {name: x.get(name, seeds) for name in names}
    (served,) = session.run(None, feeds)
    wanted = kd.mc_predict(model, x, samples=3, row_seeds=seeds).samples
    np.testing.assert_allclose(np.moveaxis(served, 1, 0), wanted, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(wanted[:, 0], wanted[:, 2], atol=1e-5, rtol=1e-5)
    assert np.abs(wanted[:, 0] - wanted[:, 1]).max() > 1e-2
    one = kd.mc_predict(model, {k: v[:1] for k, v in x.items()}, samples=3, row_seeds=seeds[:1])
    np.testing.assert_allclose(one.samples[:, 0], wanted[:, 0], atol=1e-5, rtol=1e-5)
