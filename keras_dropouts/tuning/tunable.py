"""Finds the rates of a model that a search may set."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid
from keras_dropouts.surgery.rates import is_on
from keras_dropouts.surgery.sources import NoiseSource, noise_sources


def tunable_sources(model: Any) -> list[NoiseSource]:
    """Return the sources whose rates can be set, and are meant to drop.

    Raises:
        ValueError: if there is none.
    """
    found = [
        source
        for source in noise_sources(model)
        if source.is_probability
        and is_on(source)
        and not (source.ours and (source.layer.learned or source.layer.rate_is_fixed))
    ]
    if not found:
        expected = "a model with dropout layers whose rate can be set and is not learned"
        raise invalid("model", expected, model, "`add_dropout` puts some in.")
    return found
