"""Graph nets after the public examples of Keras, in which dropout acts on nodes, not on rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

NODES, FEATURES, EDGES = 11, 5, 30


def nodes_and_edges() -> tuple[np.ndarray, np.ndarray]:
    """Return features of nodes, and the pairs of nodes that the edges join."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=(NODES, FEATURES)).astype("float32")
    return features, rng.integers(0, NODES, size=(EDGES, 2)).astype("int32")


def _messages(x: Any, edges: Any) -> Any:
    """Return for each node the mean of its neighbours."""
    sent = ops.take(x, edges[:, 1], axis=0)
    total = ops.segment_sum(sent, edges[:, 0], num_segments=NODES)
    count = ops.segment_sum(ops.ones_like(sent[:, :1]), edges[:, 0], num_segments=NODES)
    return total / ops.maximum(count, 1.0)


class NodeClassifier(keras.Model):
    """Holds the graph, and takes the indices of nodes (as in "Node classification with GNNs")."""

    def __init__(self, drop: Any = None) -> None:
        super().__init__()
        features, edges = nodes_and_edges()
        self.features, self.edges = ops.convert_to_tensor(features), ops.convert_to_tensor(edges)
        self.drop = layers.Dropout(0.5) if drop is None else drop
        self.hidden = layers.Dense(8, activation="relu")
        self.convolve = layers.Dense(8, activation="relu")
        self.head_drop = layers.Dropout(0.25)
        self.head = layers.Dense(3)

    def build(self, shape: Any) -> None:
        self.hidden.build((NODES, FEATURES))
        self.convolve.build((NODES, 8))
        self.head.build((None, 8))

    def call(self, indices: Any) -> Any:
        x = self.hidden(self.drop(self.features))
        x = x + self.convolve(_messages(x, self.edges))
        x = ops.take(x, ops.reshape(indices, (-1,)), axis=0)
        return self.head(self.head_drop(x))


class GraphAttention(keras.Model):
    """Takes nodes and edges (as in "Graph attention network for node classification")."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = layers.Dropout(0.5)
        self.hidden = layers.Dense(8, activation="relu")
        self.score = layers.Dense(1)
        self.head = layers.Dense(3)

    def build(self, shape: Any) -> None:
        self.hidden.build((None, FEATURES))
        self.score.build((None, 16))
        self.head.build((None, 8))

    def call(self, inputs: Any) -> Any:
        nodes, edges = inputs
        x = self.hidden(self.drop(nodes))
        pairs = ops.reshape(ops.take(x, edges, axis=0), (-1, 16))
        scores = ops.exp(ops.clip(self.score(pairs), -2.0, 2.0))
        sent = scores * ops.take(x, edges[:, 1], axis=0)
        total = ops.segment_sum(scores, edges[:, 0], num_segments=NODES)
        x = x + ops.segment_sum(sent, edges[:, 0], num_segments=NODES) / (total + 1e-6)
        return self.head(x)


def functional_classifier() -> keras.Model:
    """Return a Functional model that looks nodes up in a graph that is a constant of it."""
    features, edges = nodes_and_edges()
    indices = keras.Input((), dtype="int32", name="indices")
    x = Constant(features)(indices)
    x = layers.Dense(8, activation="relu")(layers.Dropout(0.5)(x))
    x = x + Messages(edges)(x)
    x = LookUp()([x, indices])
    return keras.Model(indices, layers.Dense(3)(layers.Dropout(0.25)(x)))


class Constant(layers.Layer):
    """Returns a tensor that is no function of its input."""

    def __init__(self, value: np.ndarray) -> None:
        super().__init__()
        self.value = value

    def call(self, _: Any) -> Any:
        return ops.convert_to_tensor(self.value)


class Messages(layers.Layer):
    """Sends along the edges of a graph."""

    def __init__(self, edges: np.ndarray) -> None:
        super().__init__()
        self.edges = edges

    def call(self, x: Any) -> Any:
        return _messages(x, ops.convert_to_tensor(self.edges))


class LookUp(layers.Layer):
    """Takes nodes by their indices."""

    def call(self, inputs: Any) -> Any:
        return ops.take(*inputs, axis=0)
