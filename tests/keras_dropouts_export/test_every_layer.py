"""Tests every registered layer through strip, freeze, ONNX and Monte-Carlo ONNX."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import drawn
import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.layers.base import BaseDropout
from runtimes import assert_serves
from subjects import SUBJECTS, Subject

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)


def _served(model: keras.Model, subject: Subject) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(subject.data())))


@every_subject
def test_stripped_and_frozen_models_compute_the_same(subject: Subject) -> None:
    rate = kd.schedules.LinearRamp(0.25, 0.5, ramp_steps=10) if subject.schedules else 0.25
    model = subject.model(rate)
    model(subject.data(), training=True)
    expected = _served(model, subject)
    stripped, frozen = kde.strip_dropout(model), kde.freeze_dropout(model)
    assert not any(isinstance(layer, BaseDropout) for layer in stripped._flatten_layers())
    np.testing.assert_array_equal(_served(stripped, subject), expected)
    np.testing.assert_array_equal(_served(frozen, subject), expected)
    left = [layer for layer in frozen._flatten_layers() if isinstance(layer, BaseDropout)]
    assert all(layer.schedule is None and not layer.learned for layer in left)
    if subject.schedules:
        rates = [layer.rate for layer in frozen._flatten_layers() if layer.name == "subject"]
        assert all(abs(rate - 0.275) < 1e-6 for rate in rates)


@every_subject
def test_onnx_has_no_dropout_or_has_it_seeded(subject: Subject, tmp_path: Path) -> None:
    model = subject.model(0.25)
    assert_serves(model, kde.export_onnx(model, tmp_path / "plain.onnx"))
    kde.export_onnx(model, tmp_path / "sampled.onnx", samples=3)
    expected = kd.mc_predict(model, subject.data(), samples=3, seed=6, verbose=False)
    mean, std = drawn.serve(tmp_path / "sampled.onnx", keras.tree.flatten(subject.data()), seed=6)
    np.testing.assert_allclose(mean, expected.mean, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(std, expected.std, atol=1e-5, rtol=1e-3)
