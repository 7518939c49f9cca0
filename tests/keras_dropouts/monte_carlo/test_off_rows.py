"""mc_predict where dropout acts on something else than rows: nodes of a graph, shared tensors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd
from tests.graph_nets import (
    NODES,
    GraphAttention,
    NodeClassifier,
    functional_classifier,
    nodes_and_edges,
)


def _sample(model: Any, x: Any, samples: int = 6, **options: Any) -> np.ndarray:
    result = kd.mc_predict(model, x, samples=samples, seed=3, verbose=False, **options)
    return np.asarray(result.samples)


def _node_classifier(drop: Any = None) -> keras.Model:
    model = NodeClassifier(drop)
    model(np.zeros(2, "int32"))
    return model


MODELS = {
    "subclassed": _node_classifier,
    "functional": functional_classifier,
    "ours": lambda: _node_classifier(kd.ScheduledDropout(0.5)),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("rows", [3, NODES])
def test_dropout_over_the_nodes_of_a_graph(make: Any, rows: int) -> None:
    model = make()
    indices = np.arange(rows, dtype="int32")
    samples = _sample(model, indices)
    assert samples.shape == (6, rows, 3)
    assert (samples.std(axis=0) > 0).all()
    # A sample is the same beside whichever others it is drawn.
    for options in ({"samples": 4}, {"chunk_size": 1}, {"chunk_size": 4}):
        part = _sample(model, indices, **{"samples": 6, **options})
        np.testing.assert_allclose(part, samples[: len(part)], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [MODELS["subclassed"], MODELS["functional"]])
def test_rows_with_the_same_seed_see_the_same_nodes_of_a_sample(make: Any) -> None:
    model = make()
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Dropout) and layer.rate == 0.25:
            layer.rate = 0.0  # only the nodes are dropped
    nodes, seeds = np.array([4, 1, 4, 4, 0], "int32"), np.array([7, 8, 7, 9, 7])
    samples = kd.mc_predict(model, nodes, 6, row_seeds=seeds, verbose=False).samples
    np.testing.assert_allclose(samples[:, 0], samples[:, 2], rtol=1e-6, atol=1e-7)
    assert np.abs(samples[:, 0] - samples[:, 3]).max() > 1e-2
    assert (samples[:, 0].std(axis=0) > 0).all()
    alone = kd.mc_predict(model, nodes[1:2], 6, row_seeds=seeds[1:2], verbose=False).samples
    np.testing.assert_allclose(alone[:, 0], samples[:, 1], rtol=1e-6, atol=1e-7)
    shared = _sample(model, np.array([4, 1, 4], "int32"), fixed_masks=True, batch_size=1)
    np.testing.assert_allclose(shared[:, 0], shared[:, 2], rtol=1e-6, atol=1e-7)


def test_nodes_and_edges_are_one_whole() -> None:
    model = GraphAttention()
    nodes, edges = nodes_and_edges()
    model((nodes, edges))
    samples = _sample(model, (nodes, edges))
    assert samples.shape == (6, NODES, 3)
    assert (samples.std(axis=0) > 0).any()
    np.testing.assert_array_equal(samples, _sample(model, [nodes, edges], batch_size=None))
    # As many edges as nodes: only `batch_size=None` tells that they are no rows.
    some = edges[:NODES]
    one = _sample(model, (nodes, some), batch_size=None)
    assert one.shape == samples.shape
    assert (one.std(axis=0) > 0).any()


def test_a_rate_of_zero_gives_what_the_model_predicts() -> None:
    model = GraphAttention()
    nodes, edges = nodes_and_edges()
    expected = ops.convert_to_numpy(model((nodes, edges)))
    model.drop.rate = 0.0
    with pytest.warns(UserWarning, match="all of its 1 rates are 0"):
        samples = kd.mc_predict(
            model, (nodes, edges), 2, without_dropout="warn", verbose=False
        ).samples
    np.testing.assert_allclose(samples[1], expected, rtol=1e-5, atol=1e-6)


def test_a_tensor_that_all_rows_share_is_dropped_once_for_each_sample() -> None:
    class Positions(layers.Layer):
        """Gives one tensor for all rows, of shape (1, 4, 3)."""

        def call(self, x: Any) -> Any:
            return ops.ones((1, *x.shape[1:]))

    inputs = keras.Input((4, 3))
    shared = layers.Dropout(0.5)(Positions()(inputs))
    model = keras.Model(inputs, [inputs + shared, shared])
    x = np.zeros((5, 4, 3), "float32")
    rows, alone = kd.mc_predict(model, x, samples=6, seed=3, verbose=False).samples
    assert rows.shape == (6, 5, 4, 3)
    assert alone.shape == (6, 1, 4, 3)
    np.testing.assert_array_equal(rows, np.broadcast_to(alone, rows.shape))
    assert set(np.unique(alone)) == {0.0, 2.0}
    assert len({sample.tobytes() for sample in alone}) == 6


def test_what_is_taken_over_all_rows_is_taken_for_each_sample() -> None:
    class Centred(layers.Layer):
        """Takes the mean of all rows away."""

        def call(self, x: Any) -> Any:
            return ops.mean(x, axis=0)

    inputs = keras.Input((3,), batch_size=4)
    dropped = layers.Dropout(0.5)(inputs)
    model = keras.Model(inputs, [dropped - Centred()(dropped), dropped])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    centred, dropped = kd.mc_predict(model, x, samples=5, seed=1, verbose=False).samples
    np.testing.assert_allclose(
        centred, dropped - dropped.mean(axis=1, keepdims=True), rtol=1e-5, atol=1e-6
    )
