"""Faults of tf2onnx that are mended for the time of a conversion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tf2onnx import tf_loader

_CONDITIONALS = ("If", "StatelessIf")


@contextmanager
def shapes_in_branches() -> Iterator[None]:
    """Give the branches of a conditional the shapes of their inputs.

    tf2onnx hands them on with that of the condition in front, so each input gets the shape of
    another, and TensorFlow's optimizer marks the inputs as of unknown shape, which comes first: a
    convolution in a branch cannot be converted.
    """
    list_operations, make_graph = tf_loader.tflist_to_onnx, tf_loader.function_def_to_graph

    def listed(graph: Any, *args: Any, **kwargs: Any) -> Any:
        found = list_operations(graph, *args, **kwargs)
        for operation in graph.get_operations():
            if operation.type in _CONDITIONALS:
                for branch in ("then_branch", "else_branch"):
                    name = operation.get_attr(branch).name
                    found[-1][name] = [each.get_shape() for each in operation.inputs[1:]]
        return found

    def made(definition: Any, input_shapes: Any = None, **kwargs: Any) -> Any:
        if input_shapes:
            copied = type(definition)()
            copied.CopyFrom(definition)
            for argument in copied.arg_attr.values():
                argument.attr.pop("_output_shapes", None)
            definition = copied
        return make_graph(definition, input_shapes=input_shapes, **kwargs)

    tf_loader.tflist_to_onnx, tf_loader.function_def_to_graph = listed, made
    try:
        yield
    finally:
        tf_loader.tflist_to_onnx, tf_loader.function_def_to_graph = list_operations, make_graph
