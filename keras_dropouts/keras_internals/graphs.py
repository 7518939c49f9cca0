"""What kind of a model it is, and a clear error where another kind is needed."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import invalid


def is_graph(model: Any) -> bool:
    """Return whether a model is a built Sequential or a Functional one, whose layers are known."""
    if isinstance(model, keras.Sequential):
        return type(model).call is keras.Sequential.call and model._functional is not None
    return (
        isinstance(model, keras.Model)
        and hasattr(model, "_nodes_by_depth")
        and type(model).call is functional_class(model).call
    )


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
    """Raise a clear error unless `model` is a built Sequential or Functional model."""
    check_model(model, argument)
    if isinstance(model, keras.Sequential) and model._functional is None:
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


def functional_class(model: Any) -> Any:
    """Return Keras's class of Functional models, which has no public name."""
    return next(kind for kind in type(model).__mro__ if kind.__name__ == "Functional")
