"""Finds every noise source in a model: layers of this package, of Keras and of the table."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_dropouts.arguments import is_real
from keras_dropouts.keras_internals.layers import children
from keras_dropouts.keras_internals.rate_attributes import NEVER
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.surgery.noise_table import noise_kind
from keras_dropouts.types import Layer

_MAGNITUDES = ("stddev", "router_jitter_noise")  # of noise, which are no probabilities


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

    @property
    def argument(self) -> str | None:
        """The argument of the layer that this is, None where it is the rate of a dropout layer.

        `dropout` of recurrent and attention layers is such an argument, and a standard deviation.
        """
        noise = self.ours or (is_noise_layer(self.layer) and self.is_probability)
        alone = self.ours or len(rate_attributes(self.layer)) == 1
        return None if noise and alone else self.attribute.lstrip("_")

    @property
    def is_probability(self) -> bool:
        """Whether the rate is a probability of dropping, and not a standard deviation."""
        return self.attribute not in _MAGNITUDES

    @property
    def keeps(self) -> bool:
        """Whether the attribute of the layer holds the probability of keeping."""
        kind = None if self.ours else noise_kind(self.layer)
        return kind is not None and kind.keeps

    def held(self, rate: float) -> float:
        """Return what the attribute of the layer is for a rate: where it keeps, 1 - rate."""
        return 1.0 - rate if self.keeps else rate


def rate_attributes(layer: Layer) -> tuple[str, ...]:
    """Return the names of the attributes of a layer that hold a rate; none for one of ours."""
    kind = noise_kind(layer)
    found = () if kind is None else kind.attributes
    # Of several under one name some have one attribute and some the other.
    own = tuple(name for name in found if "." in name or hasattr(layer, name))
    return own or found[:1]


def rates_of_layer(layer: Layer) -> list[float]:
    """Return the rates that a layer that is not one of ours holds now."""
    kind = noise_kind(layer)
    held = [as_rate(getattr(*holder(layer, each), None)) for each in rate_attributes(layer)]
    found = [each for each in held if each is not None]
    return [1.0 - each for each in found] if kind is not None and kind.keeps else found


def holder(layer: Layer, attribute: str) -> tuple[Any, str]:
    """Return the object that holds a dotted attribute and the last part of its name.

    The object is None where a part is not built yet.
    """
    *parts, last = attribute.split(".")
    return functools.reduce(lambda thing, part: getattr(thing, part, None), parts, layer), last


def is_noise_layer(layer: Layer) -> bool:
    """Return whether a layer is there for its noise alone; one of ours may wrap another layer."""
    if isinstance(layer, BaseDropout):
        return True
    kind = noise_kind(layer)
    if kind is None or kind.only_noise is not None:
        return kind is not None and bool(kind.only_noise)
    return not layer.weights and not children(layer)


def is_removable(layer: Layer) -> bool:
    """Return whether a layer is the identity once dropout is off."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return is_removable(layer.layer)
    # A wrapping layer of ours (ConcreteDropout) has something left to stand in for it.
    if isinstance(layer, BaseDropout):
        return layer.stripped() is None
    return is_noise_layer(layer)


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
    """Return every rate in a layer or model, of layers of this package and of the table.

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
            value = as_rate(getattr(layer, last, None))
            if thing is not layer:  # listed once, with the layer that owns it
                owned.add(id(thing))
            elif value is not None:
                source = NoiseSource(path, layer, attribute, value)
                found.append(replace(source, rate=source.held(value)))
    return found


def as_rate(value: Any) -> float | None:
    """Return a number, or the value of a scalar variable, as a float; None for all else.

    A rate by which nothing is ever dropped is 0.
    """
    if isinstance(value, keras.Variable) and len(value.shape) == 0:
        value = float(keras.ops.convert_to_numpy(value.value))
    if not is_real(value):
        return None
    return 0.0 if value == NEVER else float(value)
