"""Checks that a user passed a built Keras model, or one whose graph is known."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import graph_of, is_graph


def check_model(model: Any, argument: str = "model") -> None:
    """Raise a clear error unless `model` is a built Keras model.

    Raises:
        ValueError: if it is not a Keras model, or is not built.
    """
    if not isinstance(model, keras.Model):
        raise invalid(argument, "a keras.Model", model)
    if not model.built:
        raise invalid(
            argument, "a built model", model, "Call it once on data, or call `model.build(shape)`."
        )


def check_graph(model: Any, argument: str = "model") -> None:
    """Raise a clear error unless `model` is a built Sequential or Functional model.

    Raises:
        ValueError: if it is not a Keras model, is not built, or its graph is not known.
    """
    check_model(model, argument)
    if isinstance(model, keras.Sequential) and graph_of(model) is None:
        raise invalid(
            argument,
            "a built Sequential model with one input tensor",
            model,
            "Put a `keras.Input` first, or make a Functional model of it.",
        )
    if not is_graph(model):
        raise invalid(
            argument,
            "a Sequential or Functional model",
            model,
            "The graph of a subclassed model is not known; export it as it is, every noise source "
            "is switched off there.",
        )
