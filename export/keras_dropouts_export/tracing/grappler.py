"""Keeps TensorFlow's optimizer of graphs from making tensors of the size of weights."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf
from tensorflow.python.grappler import tf_optimizer

from keras_dropouts.keras_internals.patching import replaced_in_thread

_LARGE = 65_536  # elements


def without_large_feeds() -> AbstractContextManager[None]:
    """Hide the shapes of large inputs from the optimizer of graphs in a context.

    It makes a tensor for each input whose shape is known, and weights that are kept out of a graph
    are inputs. TensorFlow does not return that memory.
    """
    return replaced_in_thread(tf_optimizer, "OptimizeGraph", _unfed)


def _unfed(optimize: Any) -> Any:
    def optimized(config: Any, meta_graph: Any, *args: Any, **kwargs: Any) -> Any:
        shapes = {}
        for node in meta_graph.graph_def.node:
            shape = tf.TensorShape(node.attr["shape"].shape) if node.op == "Placeholder" else None
            if shape is not None and (shape.num_elements() or 0) >= _LARGE:
                shapes[node.name] = shape.as_proto()
                node.attr["shape"].shape.CopyFrom(tf.TensorShape(None).as_proto())
        graph = optimize(config, meta_graph, *args, **kwargs)
        for node in graph.node:
            if node.name in shapes:
                node.attr["shape"].shape.CopyFrom(shapes[node.name])
        return graph

    return optimized
