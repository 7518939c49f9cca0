"""Writes ONNX nodes in place of one node of TensorFlow, as a handler of tf2onnx does.

tf2onnx calls a handler with its graph, the node, the node's name and extra arguments (none here).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tf2onnx import constants, utils

Handler = Callable[[Any, Any, str, Any], None]
Write = Callable[["Nodes", Sequence[str]], str]


class Nodes:
    """Writes ONNX nodes in place of one node of TensorFlow."""

    def __init__(self, graph: Any, node: Any, name: str) -> None:
        self.graph, self.name = graph, name
        self.opset = graph.opset
        self.dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
        if np.issubdtype(self.dtype, np.complexfloating):
            self.dtype = np.zeros((), self.dtype).real.dtype  # of the parts it is written as
        self.output_dtype = graph.get_dtype(node.output[0])
        self.rank = len(graph.get_shape(node.input[0]) or [])
        self._attributes = dict(node.attr)

    def attribute(self, name: str) -> Any:
        """Return an attribute of the node, in protobuf form, or None where it has none."""
        return self._attributes.get(name)

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return a constant of the dtype of the node's input, or of the one given."""
        array = np.array(value, dtype or self.dtype)
        return str(self.graph.make_const(utils.make_name(f"{self.name}_c"), array).output[0])

    def __call__(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Return the output of a new node."""
        made = self.graph.make_node(
            operation, list(inputs), attr=attributes, op_name_scope=self.name, skip_conversion=True
        )
        return str(made.output[0])


def replace_node(
    graph: Any, node: Any, operation: str, inputs: list[str], domain: str = "", **attributes: Any
) -> None:
    """Put a node of ONNX in place of `node`, with its name, outputs, shape and dtype."""
    outputs = list(node.output)
    shape, dtype = graph.get_shape(outputs[0]), graph.get_dtype(outputs[0])
    graph.remove_node(node.name)
    graph.make_node(
        operation,
        inputs,
        attr=attributes,
        outputs=outputs,
        name=node.name,
        domain=domain or constants.ONNX_DOMAIN,
        shapes=[shape],
        dtypes=[dtype],
        skip_conversion=True,
    )


def handler(write: Write) -> Handler:
    """Return a handler of tf2onnx for a function that writes the nodes and returns the last."""

    def handle(graph: Any, node: Any, name: str, _: Any) -> None:
        nodes = Nodes(graph, node, name)
        replace_node(graph, node, "Identity", [write(nodes, list(node.input))])

    return handle
