"""Replaces the dropout layers of a model that exists, or adds some, in a copy of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import inbound_nodes, is_graph
from keras_dropouts.keras_internals.layers import children, parts, unlocked
from keras_dropouts.surgery.clone import carry_state, clone_layer
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.rewrite import rewrite
from keras_dropouts.surgery.sources import is_noise_layer, is_removable


def replace_dropout(
    model: keras.Model, function: Callable[[Any], keras.layers.Layer | None]
) -> keras.Model:
    """Return a new model with other layers in place of its dropout layers, weights carried over.

    Dropout layers of Sequential and Functional models are replaced, in nested models and in
    `TimeDistributed` too. Those that a custom layer holds in its attributes, lists and dicts are
    replaced in the copy of that layer; as its class makes its own dropout again when a saved
    model is loaded, keep such a model by `save_weights` and do the replacement again.

    Args:
        model: A built Sequential or Functional model.
        function: Called with each dropout or noise layer, Keras's own or this package's; returns
            the new layer, or None to keep it as it is. To drop at a learned rate, see
            `add_dropout`, as `ConcreteDropout` wraps the layer that comes after.

    Raises:
        ValueError: if an argument is of the wrong type, the model is not built or is subclassed,
            or the function returns something else than an unused layer or None.

    Example:
        >>> import keras
        >>> import keras_dropouts as kd
        >>> layers = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
        >>> model = keras.Sequential(layers)
        >>> new = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(layer.rate))
        >>> [type(layer).__name__ for layer in new.layers]
        ['ScheduledDropout', 'Dense']
    """
    check_model(model)
    _check_function(function)

    def choose(layer: Any) -> Any:
        if not is_noise_layer(layer) and not is_removable(layer):
            return None
        return _checked(function(layer), layer)

    def replace(layer: Any) -> list[Any] | None:
        chosen = choose(layer)
        return None if chosen is None else [chosen]

    new = rewrite(model, replace)
    _replace_inside(new, choose)
    return new


def _replace_inside(model: Any, choose: Callable[[Any], Any]) -> None:
    """Replace what is left of the dropout layers: attributes of custom layers."""
    for layer in parts(model, include_self=False):
        # Keras's own layers and wrappers of ours hold parts whose rates belong to them.
        if is_graph(layer) or type(layer).__module__.split(".")[0] in ("keras", "keras_dropouts"):
            continue
        # PyTorch keeps parts that are modules beside the other attributes.
        for name, value in [*vars(layer).items(), *vars(layer).get("_modules", {}).items()]:
            if not name.startswith("_"):
                _replace_in(layer, name, value, choose)


def _replace_in(layer: Any, name: str, value: Any, choose: Callable[[Any], Any]) -> None:
    new = {
        id(part): choose(part)
        for part in keras.tree.flatten(value)
        if isinstance(part, keras.layers.Layer) and part in children(layer)
    }
    if all(part is None for part in new.values()):
        return
    with unlocked(layer):
        delattr(layer, name)
        held = children(layer)
        held[:] = [part for part in held if new.get(id(part)) is None]
        swapped = keras.tree.map_structure(lambda part: new.get(id(part)) or part, value)
        setattr(layer, name, swapped)


def add_dropout(
    model: keras.Model, function: Callable[[Any], keras.layers.Layer | None]
) -> keras.Model:
    """Return a new model with dropout after chosen layers, weights carried over.

    Args:
        model: A built Sequential or Functional model; layers of nested ones are asked too.
        function: Called with each layer; returns None; or a new layer to put after it; or a
            `kd.ConcreteDropout` or another wrapper made around this very layer, which then
            takes its place, so that its input is dropped.

    Raises:
        ValueError: if an argument is of the wrong type, the model is not built or is subclassed,
            or the function returns something else than an unused layer or None.

    Example:
        >>> import keras
        >>> import keras_dropouts as kd
        >>> convolution = keras.layers.Conv2D(4, 3)
        >>> hidden = keras.layers.Dense(16, name="hidden")
        >>> model = keras.Sequential(
        ...     [keras.Input((8, 8, 1)), convolution, keras.layers.Flatten(), hidden]
        ... )
        >>> def after_convolutions(layer):
        ...     if isinstance(layer, keras.layers.Conv2D):
        ...         return kd.DropBlock2D(0.1, block_size=3)
        >>> regularized = kd.add_dropout(model, after_convolutions)
        >>> [type(layer).__name__ for layer in regularized.layers]
        ['Conv2D', 'DropBlock2D', 'Flatten', 'Dense']
        >>> learned = kd.add_dropout(
        ...     model,
        ...     lambda layer: kd.ConcreteDropout(layer) if layer.name == "hidden" else None,
        ... )
        >>> [type(layer).__name__ for layer in learned.layers]
        ['Conv2D', 'Flatten', 'ConcreteDropout']
    """
    check_model(model)
    _check_function(function)

    wrapped: list[tuple[Any, Any]] = []

    def replace(layer: Any) -> list[Any] | None:
        if isinstance(layer, keras.Model):
            return None
        chosen = _checked(function(layer), layer)
        if chosen is None:
            return None
        if getattr(chosen, "layer", None) is layer:
            wrapped.append((layer, clone_layer(chosen)))
            return [wrapped[-1][1]]
        return [clone_layer(layer), chosen]

    new = rewrite(model, replace)
    for layer, wrapper in wrapped:
        carry_state(layer, wrapper.layer)
    return new


def _check_function(function: Any) -> None:
    if not callable(function):
        raise invalid("function", "a function of the layer that returns a layer or None", function)


def _checked(chosen: Any, layer: Any) -> Any:
    """Return what the user's function gave for a layer, if it is a new layer or None."""
    if chosen is None:
        return None
    if not isinstance(chosen, keras.layers.Layer) or chosen is layer or inbound_nodes(chosen):
        raise invalid("function", f"a function that returns a new layer for {layer.name!r}", chosen)
    return chosen
