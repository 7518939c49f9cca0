"""Copies of layers: a new object from the config, and the state carried over to it."""

from __future__ import annotations

import copy
import tempfile
from typing import Any

import keras

Layer = Any


def clone_layer(layer: Layer) -> Layer:
    """Return a new layer made from the config of `layer`; `carry_state` brings the weights.

    Raises:
        ValueError: if the layer cannot be made again from its config.
    """
    if isinstance(layer, keras.layers.Lambda):
        clone = _clone_lambda(layer)
    else:
        known = {type(part).__name__: type(part) for part in layer._flatten_layers()}
        try:
            with keras.saving.custom_object_scope(known):
                clone = type(layer).from_config(layer.get_config())
        except (NotImplementedError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(
                f"Invalid value for argument `model`. Expected layers that can be made again "
                f"from their config. Received: layer {layer.name!r} of class "
                f"{type(layer).__name__}, which cannot: {error} Give the class a `get_config` "
                f"that returns the arguments of its `__init__`."
            ) from error
    # Some layers of Keras leave these two out of their config (BaseSpatialDropout does).
    if clone.dtype_policy != layer.dtype_policy:
        clone.dtype_policy = layer.dtype_policy
    return clone


def _clone_lambda(layer: Layer) -> Layer:
    # Through its config a Lambda would be marshalled, and lose its globals.
    return keras.layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,
        mask=layer.mask,
        arguments=layer.arguments,
        name=layer.name,
        dtype=layer.dtype_policy,
    )


def clone_operation(operation: Any) -> Any:
    """Return a copy of an operation that is not a layer, free of its places in graphs."""
    clone = copy.copy(operation)
    clone._inbound_nodes = []
    clone._outbound_nodes = []
    return clone


def carry_state(old: Layer, new: Layer) -> None:
    """Copy weights, assets and `trainable` from a layer to its clone, parts included.

    Raises:
        ValueError: if the two are not made of the same parts.
    """
    pairs = list(zip(old._flatten_layers(), new._flatten_layers(), strict=False))
    same = len(list(old._flatten_layers())) == len(list(new._flatten_layers()))
    if not same or any(type(first) is not type(second) for first, second in pairs):
        raise ValueError(
            f"The weights of layer {old.name!r} of class {type(old).__name__} cannot be carried "
            f"over: made again from its config, it has other parts. Make every sub-layer in "
            f"`__init__` or `build`, in one order."
        )
    for first, second in pairs:
        if first.built and not second.built:
            second.build_from_config(first.get_build_config() or {})
        _carry_own_state(first, second)
    for first, second in pairs:  # parents first, as setting a parent sets its children
        if first.trainable != second.trainable:
            second.trainable = first.trainable


def _carry_own_state(old: Layer, new: Layer) -> None:
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    # Arrays, not variables: nothing of the old layer may live on in the new one.
    new.load_own_variables({key: keras.ops.convert_to_numpy(value) for key, value in store.items()})
    if hasattr(old, "save_assets") and hasattr(new, "load_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)
