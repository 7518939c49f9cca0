"""Clones layers: makes a new object from the config, and carries the state over to it."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.keras_internals.copying import CopyGraph, copy_layer, no_graph
from keras_dropouts.keras_internals.graphs import forget_nodes
from keras_dropouts.keras_internals.layers import (
    children,
    has_own_build,
    is_from_keras_or_ours,
    lambda_output_shape,
    mark_as_built,
    parts,
)
from keras_dropouts.types import Layer


def clone_layer(layer: Layer, copy_graph: CopyGraph = no_graph) -> Layer:
    """Return a new layer that is as `layer` is, unbuilt or with the same weights.

    A layer of Keras is made again from its config. A layer of someone else's is copied part by
    part, as a config may leave out what its class keeps.

    Args:
        copy_graph: As for `copy_layer`.

    Raises:
        ValueError: if the layer can neither be copied nor made again from its config.
    """
    ways: list[Callable[[Layer], Layer]] = [_from_config, lambda each: copy_layer(each, copy_graph)]
    if not all(map(is_from_keras_or_ours, parts(layer))):
        ways.reverse()
    problems: list[Exception] = []
    for way in ways:
        try:
            return way(layer)
        except (NotImplementedError, TypeError, ValueError, KeyError, AttributeError) as error:
            problems.append(error)
    raise ValueError(
        f"Invalid value for argument `model`. Expected layers that can be made again from their "
        f"config. Received: layer {layer.name!r} of class {type(layer).__name__}, which cannot: "
        f"{problems[0]} Give the class a `get_config` that returns the arguments of its `__init__`."
    ) from problems[0]


def _from_config(layer: Layer) -> Layer:
    if isinstance(layer, keras.layers.Lambda):
        clone = _clone_lambda(layer)
    else:
        known = {type(part).__name__: type(part) for part in parts(layer)}
        with keras.saving.custom_object_scope(known):
            clone = type(layer).from_config(layer.get_config())
    # Some layers of Keras leave this out of their config (BaseSpatialDropout does).
    if clone.dtype_policy != layer.dtype_policy:
        clone.dtype_policy = layer.dtype_policy
    return clone


def _clone_lambda(layer: Layer) -> Layer:
    # Through its config a Lambda would be marshalled, and lose its globals.
    return keras.layers.Lambda(
        layer.function,
        output_shape=lambda_output_shape(layer),
        mask=layer.mask,
        arguments=layer.arguments,
        name=layer.name,
        dtype=layer.dtype_policy,
    )


def clone_operation(operation: Any) -> Any:
    """Return a copy of an operation that is not a layer, free of its places in graphs."""
    clone = copy.copy(operation)
    forget_nodes(clone)
    return clone


def clone_whole(model: Layer, copy_graph: CopyGraph) -> Layer:
    """Return a copy of a model or layer from its config, weights and all, built as the old one is.

    Raises:
        ValueError: if it cannot be made again from its config.
    """
    new = clone_layer(model, copy_graph)
    carry_state(model, new)
    return new


def carry_state(old: Layer, new: Layer) -> None:
    """Copy weights, assets and `trainable` from a layer to its clone, parts included.

    Raises:
        ValueError: if the two are not made of the same parts.
    """
    pairs = _built_pairs(old, new, set())
    for first, second in pairs:
        _carry_own_state(first, second)
    for first, second in pairs:  # parents first, as setting a parent sets its children
        if first.trainable != second.trainable:
            second.trainable = first.trainable


def _built_pairs(old: Layer, new: Layer, seen: set[int]) -> list[tuple[Layer, Layer]]:
    """Return (old, new) for a layer and its parts, each once, all of them built."""
    if id(old) in seen:
        return []
    seen.add(id(old))
    if type(old) is not type(new):
        raise _other_parts(old)
    # A default `build` would call the layer to build its parts; each part knows its own shapes.
    if old.built and not new.built and has_own_build(old):
        new.build_from_config(old.get_build_config() or {})
    if len(children(old)) != len(children(new)):
        raise _other_parts(old)
    pairs = [(old, new)]
    for first, second in zip(children(old), children(new), strict=True):
        if isinstance(first, keras.layers.Layer):  # metrics are kept among them
            pairs += _built_pairs(first, second, seen)
    if old.built and not new.built:
        mark_as_built(new, like=old)
    return pairs


def _other_parts(layer: Layer) -> ValueError:
    return ValueError(
        f"The weights of layer {layer.name!r} of class {type(layer).__name__} cannot be carried "
        f"over: made again from its config, it has other parts. Make every sub-layer in `__init__` "
        f"or `build`, in one order."
    )


def _carry_own_state(old: Layer, new: Layer) -> None:
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    # Arrays, not variables: nothing of the old layer may live on in the new one.
    new.load_own_variables({key: keras.ops.convert_to_numpy(value) for key, value in store.items()})
    if hasattr(old, "save_assets") and hasattr(new, "load_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)
