"""Artifacts sample dropout over something else than rows: the nodes of a graph."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dropouts as kd
import keras_dropouts_export as kde
from tests.graph_nets import GraphAttention, NodeClassifier, functional_classifier, nodes_and_edges


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_an_artifact_samples_nodes_that_the_model_holds(kind: str, tmp_path: Path) -> None:
    indices = np.arange(5, dtype="int32")
    model = functional_classifier() if kind == "functional" else NodeClassifier()
    model(indices)
    signature = None if kind == "functional" else [tf.TensorSpec([None], tf.int32, name="nodes")]
    path = tmp_path / "model.onnx"
    report = kde.export_onnx(model, path, samples=3, input_signature=signature)
    assert report.parity.ok
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    feeds = {name: indices, "seed": kd.row_seeds(9, 5)}
    mean = session.run(None, feeds)[0]
    expected = kd.mc_predict(model, indices, samples=3, seed=9, verbose=False).mean
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-5)


def test_an_artifact_samples_nodes_and_edges(tmp_path: Path) -> None:
    model, graph = GraphAttention(), nodes_and_edges()
    model(graph)
    report = kde.export_saved_model(model, tmp_path / "saved", samples=3, sample_inputs=graph)
    assert report.parity.ok


def test_dropout_that_is_never_called_is_an_error(tmp_path: Path) -> None:
    class Forgetful(keras.Model):
        """A model that makes a dropout layer and does not call it."""

        def __init__(self) -> None:
            super().__init__()
            self.drop = keras.layers.Dropout(0.5, name="forgotten")
            self.dense = keras.layers.Dense(2)

        def call(self, x: tf.Tensor) -> tf.Tensor:
            return self.dense(x)

    model = Forgetful()
    model(np.ones((3, 4), "float32"))
    with pytest.raises(ValueError, match="never calls its dropout layers, 'forgotten'"):
        kde.export_onnx(model, tmp_path / "model.onnx", samples=3)
