"""Lists the noise sources of Keras in one table, and finds every noise source in a model."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import children
from keras_dropouts.keras_internals.rate_attributes import (
    GROUP_QUERY_ATTENTION,
    MULTI_HEAD_ATTENTION,
    is_dropout_cell,
)
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.types import Layer

_CELL = ("dropout", "recurrent_dropout")

# Class -> attributes that hold a rate (or a standard deviation). A dot leads into a part of the
# layer. Recurrent layers are not listed: their rates live in their cells.
RATE_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.layers.Dropout: ("rate",),  # SpatialDropout1D to 3D are kinds of it
    keras.layers.AlphaDropout: ("rate",),
    keras.layers.GaussianDropout: ("rate",),
    keras.layers.GaussianNoise: ("stddev",),
    keras.layers.LSTMCell: _CELL,
    keras.layers.GRUCell: _CELL,
    keras.layers.SimpleRNNCell: _CELL,
    keras.layers.MultiHeadAttention: MULTI_HEAD_ATTENTION,
    keras.layers.GroupQueryAttention: GROUP_QUERY_ATTENTION,
    keras.layers.Attention: ("dropout",),  # AdditiveAttention is a kind of it
}

# Layers that are nothing but noise, so that a graph is the same function without them at
# inference. Only these and kinds of them are taken out of a graph.
REMOVABLE: tuple[type, ...] = (
    BaseDropout,
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)


@dataclass(frozen=True)
class NoiseSource:
    """One rate in a model: where it is, who holds it and its present value."""

    path: str
    layer: Layer
    attribute: str
    rate: float

    @property
    def ours(self) -> bool:
        """Whether the layer is one of this package's."""
        return isinstance(self.layer, BaseDropout)


def rate_attributes(layer: Layer) -> tuple[str, ...]:
    """Return the names of the attributes of a Keras layer that hold a rate."""
    for kind, attributes in RATE_ATTRIBUTES.items():
        if isinstance(layer, kind):
            return attributes
    return _CELL if is_dropout_cell(layer) else ()


def holder(layer: Layer, attribute: str) -> tuple[Any, str]:
    """Return the object that holds a dotted attribute and the last part of its name.

    The object is None where a part is not built yet.
    """
    *parts, last = attribute.split(".")
    return functools.reduce(lambda thing, part: getattr(thing, part, None), parts, layer), last


def is_removable(layer: Layer) -> bool:
    """Return whether a layer is the identity once dropout is off."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return is_removable(layer.layer)
    # A wrapping layer of ours (ConcreteDropout) has something left to stand in for it.
    if isinstance(layer, BaseDropout):
        return layer.stripped() is None
    return isinstance(layer, REMOVABLE)


def walk(layer: Layer, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, layer) for everything inside a layer or model, each layer once.

    Paths are names joined by `/`, relative to `layer`, which is not yielded itself.
    """
    yield from _walk(layer, path, {id(layer)})


def _walk(layer: Layer, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for child in children(layer):
        # Metrics are kept beside the layers; they are not part of the model's function.
        if id(child) in seen or not isinstance(child, keras.layers.Layer):
            continue
        seen.add(id(child))
        here = f"{path}/{child.name}" if path else child.name
        yield here, child
        yield from _walk(child, here, seen)


def noise_sources(model: Any) -> list[NoiseSource]:
    """Return every rate in a layer or model, layers of this package and Keras's own.

    Rates of 0 are listed too: a dropout layer with rate 0 is a layer in the summary.
    """
    found: list[NoiseSource] = []
    owned: set[int] = set()
    for path, layer in [(model.name, model), *walk(model)]:
        if isinstance(layer, BaseDropout):
            found.append(NoiseSource(path, layer, "rate", layer.rate))
            continue
        if id(layer) in owned:
            continue
        for attribute in rate_attributes(layer):
            thing, last = holder(layer, attribute)
            if thing is not layer:  # listed once, with the layer that owns it
                owned.add(id(thing))
            elif _is_rate(getattr(layer, last, None)):
                found.append(NoiseSource(path, layer, attribute, float(getattr(layer, last))))
    return found


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
