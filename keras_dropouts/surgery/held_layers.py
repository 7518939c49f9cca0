"""Finds and swaps the layers in an attribute of a layer: alone, or in lists, tuples and dicts.

`keras.tree` is not made for attributes, which hold what their class likes: on PyTorch it sorts the
keys of dicts, and keys need not have an order.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.types import Layer


def layers_in(value: Any) -> list[Layer]:
    """Return the layers in an attribute's value, those in containers within it included."""
    if isinstance(value, keras.layers.Layer):
        return [value]
    return [layer for part in _parts(value) for layer in layers_in(part)]


def swapped(value: Any, new: dict[int, Layer]) -> Any:
    """Return the value with the layers that `new` has by their `id` in place of the old ones.

    A container in which nothing is swapped is the same object as before.
    """
    if isinstance(value, keras.layers.Layer):
        return new.get(id(value), value)
    if not any(id(layer) in new for layer in layers_in(value)):
        return value
    if isinstance(value, dict):
        return {key: swapped(part, new) for key, part in value.items()}
    parts = [swapped(part, new) for part in value]
    if isinstance(value, tuple):
        named = hasattr(value, "_fields")
        return type(value)(*parts) if named else tuple(parts)
    return set(parts) if isinstance(value, (set, frozenset)) else parts


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else []
