"""The graph of a Sequential or Functional model: its nodes, its tensors and its structure."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.keras_internals.versions import private
from keras_dropouts.types import Layer, Tensor

# A node of a graph is a `keras.src.ops.node.Node`. Its attributes `operation`, `arguments`,
# `outputs`, `input_tensors` and `is_input` have no underscore and are used everywhere.
Node = Any


def is_graph(model: Any) -> bool:
    """Return whether a model is a built Sequential or a Functional one, whose layers are known.

    Relies on `Sequential._functional` and `Function._nodes_by_depth`, since Keras 3.0.
    """
    if isinstance(model, keras.Sequential):
        return type(model).call is keras.Sequential.call and graph_of(model) is not None
    return (
        isinstance(model, keras.Model)
        and hasattr(model, "_nodes_by_depth")
        and type(model).call is functional_class(model).call
    )


def graph_of(model: Any) -> Any:
    """Return the Functional model that holds the graph: that of a Sequential one, else `model`.

    It is None for a Sequential model that is not built, or that was built without knowing its
    input. Relies on `Sequential._functional`, since Keras 3.0.
    """
    if not isinstance(model, keras.Sequential):
        return model
    return private(model, "_functional", "graph_of")


def functional_class(model: Any) -> Any:
    """Return Keras's class of Functional models, which has no public name, for such a model.

    Relies on the name of that class, since Keras 3.0.
    """
    return next(kind for kind in type(model).__mro__ if kind.__name__ == "Functional")


def nodes_in_order(model: Any) -> list[Node]:
    """Return the nodes of a Sequential or Functional model in the order of their calls.

    The nodes of its inputs are left out. Relies on `Function._nodes_by_depth`, since Keras 3.0.
    """
    by_depth = private(graph_of(model), "_nodes_by_depth", "nodes_in_order")
    return [
        node
        for depth in sorted(by_depth, reverse=True)
        for node in by_depth[depth]
        if not node.is_input
    ]


def is_made(tensor: Any) -> bool:
    """Return whether a tensor is symbolic and made by an operation, and not by a user's own hand.

    Relies on `KerasTensor._keras_history`, since Keras 3.0.
    """
    return isinstance(tensor, keras.KerasTensor) and hasattr(tensor, "_keras_history")


def made_by(tensor: Any) -> tuple[Any, int]:
    """Return the operation that made a symbolic tensor, and which of its nodes did.

    Relies on `KerasTensor._keras_history`, since Keras 3.0.
    """
    operation, node_index, _ = private(tensor, "_keras_history", "made_by")
    return operation, node_index


def inbound_nodes(operation: Any) -> list[Node]:
    """Return the nodes in which an operation was called, in any graph.

    Relies on `Operation._inbound_nodes`, since Keras 3.0.
    """
    return private(operation, "_inbound_nodes", "inbound_nodes")


def outbound_nodes(operation: Any) -> list[Node]:
    """Return the nodes that take what an operation returned, in any graph.

    Relies on `Operation._outbound_nodes`, since Keras 3.0.
    """
    return private(operation, "_outbound_nodes", "outbound_nodes")


def forget_nodes(operation: Any) -> None:
    """Take a copy of an operation out of the graphs that the operation is in.

    Relies on `Operation._inbound_nodes` and `Operation._outbound_nodes`, since Keras 3.0.
    """
    inbound_nodes(operation), outbound_nodes(operation)  # raises where Keras has no such lists
    operation._inbound_nodes, operation._outbound_nodes = [], []


def input_layer(model: Any) -> Layer:
    """Return the InputLayer of a built Sequential model, which is not among its `layers`.

    Relies on `Layer._layers`, since Keras 3.0.
    """
    return private(model, "_layers", "input_layer")[0]


def input_structure(model: Any) -> Any:
    """Return the symbolic inputs of a Sequential or Functional model as they were nested.

    Relies on `Function._inputs_struct`, since Keras 3.0.
    """
    return private(graph_of(model), "_inputs_struct", "input_structure")


def output_structure(model: Any) -> Any:
    """Return the symbolic outputs of a Sequential or Functional model as they are nested.

    Relies on `Function._outputs_struct`, since Keras 3.0.
    """
    return private(graph_of(model), "_outputs_struct", "output_structure")


def standardized_inputs(model: Any, flat: list[Tensor]) -> list[Tensor]:
    """Return inputs in the ranks and dtypes that the first layers of a graph take.

    Relies on `Functional._standardize_inputs`, since Keras 3.0.
    """
    graph = graph_of(model)
    standardize = private(graph, "_standardize_inputs", "standardized_inputs")
    return list(standardize(keras.tree.pack_sequence_as(input_structure(graph), flat)))
