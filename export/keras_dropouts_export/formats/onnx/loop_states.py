"""Lets no Loop of a file return a state as it took it: OpenVINO refuses such a Loop.

An Identity in between costs onnxruntime nothing that could be measured.
"""

from __future__ import annotations

import onnx

from keras_dropouts_export.formats.onnx.graph_edits import subgraphs


def part_loop_states(model: onnx.ModelProto) -> None:
    """Put an Identity between each state of a Loop that does not change and the output for it."""
    for graph in subgraphs(model.graph):
        for node in graph.node:
            if node.op_type == "Loop":
                (body,) = (each.g for each in node.attribute if each.name == "body")
                _part_states(body)


def _part_states(body: onnx.GraphProto) -> None:
    taken = {each.name for each in body.input}
    for output in body.output:
        if output.name in taken:
            name = f"{output.name}__returned"
            body.node.append(onnx.helper.make_node("Identity", [output.name], [name], name))
            output.name = name
