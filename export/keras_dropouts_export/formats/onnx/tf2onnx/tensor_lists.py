"""Writes lists of tensors that are filled outside a loop, as unrolled Python loops fill them."""

from __future__ import annotations

from typing import Any

import numpy as np
from tf2onnx import utils
from tf2onnx.onnx_opset import controlflow

from keras_dropouts_export.formats.onnx.tf2onnx.nodes import replace_node


def stack(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write a TensorListStack; tf2onnx knows only those of a While loop."""
    items = _items(node)
    if items is None:
        controlflow.TensorListStack.version_7(graph, node)
        return
    first = graph.make_const(utils.make_name(f"{name}_axis"), np.array([0], np.int64)).output[0]
    parts = [
        graph.make_node("Unsqueeze", [item, first], op_name_scope=name, skip_conversion=True)
        for item in items
    ]
    replace_node(graph, node, "Concat", [part.output[0] for part in parts], axis=0)


def _items(node: Any) -> list[str] | None:
    """Return the tensors of a list in order, None if it is not filled at constant places."""
    found: dict[int, str] = {}
    before = node.inputs[0]
    while before.type in ("TensorListSetItem", "Identity"):
        if before.type == "TensorListSetItem":
            if not before.inputs[1].is_const():
                return None
            found.setdefault(int(before.inputs[1].get_tensor_value()), before.input[2])
        before = before.inputs[0]
    whole = before.type == "TensorListReserve" and sorted(found) == list(range(len(found)))
    return [found[i] for i in range(len(found))] if whole and found else None


HANDLERS = {"TensorListStack": stack}
