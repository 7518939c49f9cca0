"""Warns of layers that look like dropout and are not in the table of noise sources."""

from __future__ import annotations

import re
import warnings
from typing import Any, NamedTuple

import keras

from keras_dropouts.keras_internals.layers import is_from_keras, parts, seed_generators
from keras_dropouts.keras_internals.preprocessing import BaseImagePreprocessingLayer
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.surgery.noise_table import noise_kind
from keras_dropouts.surgery.sources import as_rate, walk
from keras_dropouts.types import Layer

# How attributes are called that hold the rate of a noise source.
_RATE = re.compile(
    r"drop|keep_?prob|surviv|noise|jitter|^(rate|p|prob|probability|std|stddev|sigma)$"
)
_NAME = re.compile(r"drop|stochastic_?depth", re.IGNORECASE)


class UnknownNoise(NamedTuple):
    """A layer that looks like dropout: where it is, and the attribute that looks like its rate."""

    path: str
    layer: Layer
    attribute: str
    rate: float


def unknown_noise(model: Any) -> list[UnknownNoise]:
    """Return the layers of a model that look like dropout and that the table does not know.

    Such a layer has an attribute that is called like a rate and holds a number between 0 and 1,
    and either holds a seed generator itself or is called something with "drop" and holds no layer
    that is known. Layers of Keras are known, and layers that augment images are no dropout.
    """
    found = []
    for path, layer in [(model.name, model), *walk(model)]:
        if _is_known(layer) or not _looks_like_noise(layer):
            continue
        found += [UnknownNoise(path, layer, *each) for each in _rates(layer)[:1]]
    return found


def _is_known(layer: Layer) -> bool:
    return (
        is_from_keras(layer)
        or isinstance(layer, BaseDropout | BaseImagePreprocessingLayer)
        or noise_kind(layer) is not None
    )


def _looks_like_noise(layer: Layer) -> bool:
    if seed_generators(layer):
        return True
    called = _NAME.search(type(layer).__name__) or _NAME.search(layer.name)
    inside = [
        part for part in parts(layer, include_self=False) if isinstance(part, keras.layers.Layer)
    ]
    return bool(called) and not any(map(_makes_noise, inside))


def _makes_noise(layer: Layer) -> bool:
    return isinstance(layer, BaseDropout) or noise_kind(layer) is not None


def _rates(layer: Layer) -> list[tuple[str, float]]:
    """Return the attributes that are called like a rate and hold a number between 0 and 1."""
    # PyTorch keeps variables and parts that are modules beside the other attributes.
    held = {**vars(layer), **vars(layer).get("_modules", {})}
    named = {key: as_rate(value) for key, value in held.items() if _RATE.search(_plain(key))}
    return [(key, rate) for key, rate in named.items() if rate is not None and 0.0 < rate < 1.0]


def _plain(attribute: str) -> str:
    return attribute.strip("_").lower()


def warn_of_unknown_noise(model: Any, stacklevel: int = 3) -> None:
    """Warn of layers that look like dropout, and say how they are made known.

    stacklevel: as of `warnings.warn`; 3 is what called the function that calls this one.
    """
    found = {type(each.layer): each for each in reversed(unknown_noise(model))}
    if not found:
        return
    layers = ", ".join(
        f"{each.path!r} of class {kind.__name__} ({each.attribute}={each.rate:.4g})"
        for kind, each in reversed(found.items())
    )
    calls = "; ".join(
        f'kd.register_noise({kind.__name__}, rate="{each.attribute}"{_keeps(each.attribute)})'
        for kind, each in reversed(found.items())
    )
    warnings.warn(
        f"Model {model.name!r} holds layers that look like dropout and are not known, so their "
        f"rates are not listed, set, stripped or sampled: {layers}. Make their classes known, with "
        f"`import keras_dropouts as kd`: {calls}. With rate=None a class is no noise source.",
        stacklevel=stacklevel,
    )


def _keeps(attribute: str) -> str:
    return ", keeps=True" if re.search("keep|surviv", attribute) else ""
