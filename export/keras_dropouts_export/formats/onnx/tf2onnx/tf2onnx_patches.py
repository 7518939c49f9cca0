"""Context managers that patch faults of tf2onnx during a conversion, and restore it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tf2onnx import optimizer, tf_loader
from tf2onnx.graph import Node

_CONDITIONALS = ("If", "StatelessIf")


@contextmanager
def patched() -> Iterator[None]:
    """Convert inside this."""
    with shapes_in_branches(), frozen_once(), copied_once(), constants_written_once():
        yield


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


@contextmanager
def frozen_once() -> Iterator[None]:
    """Take a function that is frozen as it is: tf2onnx would freeze it again, which takes long."""
    original = tf_loader.from_function

    def graph_of(function: Any, inputs: list[str], outputs: list[str], **_: Any) -> Any:
        definition = function.graph.as_graph_def(add_shapes=True)
        with tf.Graph().as_default():
            return tf_loader.tf_optimize(inputs, outputs, definition)

    tf_loader.from_function = graph_of
    try:
        yield
    finally:
        tf_loader.from_function = original


@contextmanager
def copied_once() -> Iterator[None]:
    """Copy the graph before all of tf2onnx's passes, and not, weights and all, before each."""
    original = optimizer.optimize_graph

    def optimized(graph: Any, catch_errors: bool = True, optimizers: Any = None) -> Any:
        before = copy.deepcopy(graph)
        try:
            return original(graph, False, optimizers)
        except Exception:  # noqa: BLE001  (a pass that fails is left out in tf2onnx's own way)
            return original(before, True, optimizers)

    optimizer.optimize_graph = optimized
    try:
        yield
    finally:
        optimizer.optimize_graph = original


@contextmanager
def constants_written_once() -> Iterator[None]:
    """Leave a constant's protobuf alone where its value is the one already written.

    tf2onnx writes all of them anew after each of some 40 passes, and protobuf does not free what a
    message held before: an export of 0.4 GB of weights took 15 GB.
    """
    original = Node.update_proto

    def update(node: Any, external_tensor_storage: Any = None) -> None:
        value = node.get_attr("value") if node.is_const() else None
        named = list(node.op.output) == node.output
        if value is not None and value is getattr(node, "_written", None) and named:
            return
        original(node, external_tensor_storage)
        node._written = value if external_tensor_storage is None else None

    Node.update_proto = update
    try:
        yield
    finally:
        Node.update_proto = original
