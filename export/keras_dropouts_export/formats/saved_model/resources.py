"""Finds the tables and other resources that a traced function reads, for a SavedModel to hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.trackable.resource import CapturableResource

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.surgery.sources import walk
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.layer_names import layer_of
from keras_dropouts_export.tracing.inference_function import InferenceFunction


def resources_of(function: InferenceFunction) -> list[Any]:
    """Return the tables that a function reads, which live outside its graph.

    A table that is filled from a file brings the file along: TensorFlow copies it to the folder's
    `assets`.

    Raises:
        ExportError: naming the layer, if it reads a resource that is in none of its attributes.
    """
    graph = function.concrete.graph
    handles = {id(each.handle) for each in graph.variables}
    wanted = {
        id(outside): inside
        for outside, inside in graph.captures
        if outside.dtype == tf.resource and id(outside) not in handles
    }
    found = []
    for resource in _held_by(function.model):
        if wanted.pop(id(resource.resource_handle), None) is not None:
            found.append(resource)
    for inside in wanted.values():
        raise ExportError(
            f"Layer {_reader(function, inside)!r} reads a table or another resource that is no "
            f"part of the model, so a SavedModel cannot hold it. Keep the table in an attribute of "
            f"the layer."
        )
    return found


def _reader(function: InferenceFunction, inside: Any) -> str:
    """Return the path of the first layer that reads a tensor of a graph."""
    known = {path for path, _ in walk(function.model)}
    for operation in inside.consumers():
        path = layer_of(operation.name, function.name)
        while path and path not in known:
            path = path.rpartition("/")[0]
        if path:
            return path
    return function.name


def _held_by(model: Any) -> Iterator[Any]:
    for layer in parts(model):
        yield from _resources_in(vars(layer), set())


def _resources_in(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the resources in an attribute, in lists and dicts as well."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, CapturableResource):
        yield value
    elif isinstance(value, dict):
        for each in list(value.values()):
            yield from _resources_in(each, seen)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _resources_in(each, seen)
