"""Replaces the dropout layers of a model that exists, or adds some, in a copy of the model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import inbound_nodes, is_graph
from keras_dropouts.keras_internals.layers import (
    children,
    is_from_keras_or_ours,
    own_attributes,
    parts,
    unlocked,
)
from keras_dropouts.surgery.clone import carry_state, clone_layer
from keras_dropouts.surgery.compiling import compile_like
from keras_dropouts.surgery.held_layers import layers_in, swapped
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.rewrite import rewrite
from keras_dropouts.surgery.sources import (
    holder,
    is_noise_layer,
    noise_sources,
    rate_attributes,
    walk,
)


def replace_dropout(
    model: keras.Model, function: Callable[[Any], keras.layers.Layer | None]
) -> keras.Model:
    """Return a new model with other layers in place of its dropout layers, weights carried over.

    Dropout layers of Sequential and Functional models are replaced, in nested models and in
    `TimeDistributed` too. Those that a custom layer holds in its attributes, lists and dicts are
    replaced in the copy of that layer, whatever the attributes are called. `dropout=` of attention
    and recurrent layers is no layer; where it is above 0 it stays, which a warning says. As the
    class of a custom layer makes its own dropout again when a saved model is loaded, keep such a
    model by `save_weights` and do the replacement again. The new model is compiled as `model` is,
    with an optimizer that begins anew.

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
    replacement = _Replacement(function)
    new = replacement.of_graph(model)
    replacement.inside(new)
    replacement.report(new)
    compile_like(model, new)
    return new


def put_inside(model: keras.Model, function: Callable[[Any], keras.layers.Layer | None]) -> None:
    """Put other layers in place of dropout layers that layers of users hold in their attributes.

    function: as for `replace_dropout`; asked of what no graph holds.
    """
    _Replacement(function).inside(model)


class _Replacement:
    """Asks for each dropout layer of a model once, and remembers what was asked for and made."""

    def __init__(self, function: Callable[[Any], keras.layers.Layer | None]) -> None:
        self.function = function
        self.answers: dict[int, Any] = {}
        self.asked: list[Any] = []  # an id is only good for as long as the object lives
        self.made: set[int] = set()  # what came in place of others
        self.kept: set[int] = set()  # copies of what was to stay
        self.seen: set[int] = set()

    def choose(self, layer: Any) -> Any:
        """Return the new layer for a dropout layer; None for one to keep and for any other."""
        if not is_noise_layer(layer):
            return None
        if id(layer) not in self.answers:
            self.asked.append(layer)
            chosen = self.answers[id(layer)] = _checked(self.function(layer), layer)
            self.made.update(map(id, [] if chosen is None else parts(chosen)))
        return self.answers[id(layer)]

    def of_graph(self, graph: keras.Model) -> keras.Model:
        """Return a graph model with new layers in place of those of its graph."""

        def replace(layer: Any) -> list[Any] | None:
            chosen = self.choose(layer)
            return None if chosen is None else [chosen]

        new = rewrite(graph, replace)
        asked = {path for path, layer in walk(graph) if id(layer) in self.answers}
        self.kept.update(id(layer) for path, layer in walk(new) if path in asked)
        return new

    def inside(self, layer: Any) -> None:
        """Replace what is left of the dropout layers: attributes of layers that are no graphs."""
        if id(layer) in self.seen or id(layer) in self.made:
            return
        self.seen.add(id(layer))
        # The parts of other layers of Keras, and of wrappers of ours, have rates that belong to
        # their wholes.
        known = is_from_keras_or_ours(layer)
        if not is_graph(layer) and (not known or isinstance(layer, keras.layers.TimeDistributed)):
            self._in_attributes(layer)
        for part in children(layer):
            if isinstance(part, keras.layers.Layer):
                self.inside(part)

    def _in_attributes(self, layer: Any) -> None:
        attributes = own_attributes(layer)
        held = {id(part): part for value in attributes.values() for part in layers_in(value)}
        # A rate that the layer hands to a part of its own is the layer's.
        owned = {id(holder(layer, name)[0]) for name in rate_attributes(layer) if "." in name}
        mine = {id(part) for part in children(layer)} - owned
        new = {key: self._stand_in(part) for key, part in held.items() if key in mine}
        new = {key: part for key, part in new.items() if part is not None}
        for name, value in attributes.items():
            if not any(id(part) in new for part in layers_in(value)):
                continue
            with unlocked(layer):
                delattr(layer, name)
                kept = [part for part in children(layer) if id(part) not in new]
                children(layer)[:] = kept
                setattr(layer, name, swapped(value, new))

    def _stand_in(self, part: Any) -> Any:
        if not is_graph(part):
            return self.choose(part)
        # A Sequential or Functional model in an attribute is made anew as the whole model is.
        return self.of_graph(part) if any(map(is_noise_layer, parts(part))) else None

    def report(self, new: Any) -> None:
        """Warn of rates that stay as nobody was asked for them: arguments of other layers."""
        known = self.made | self.kept | set(self.answers)
        left = [
            f"{source.path!r} ({type(source.layer).__name__}, {source.attribute.lstrip('_')}="
            f"{source.rate:.4g})"
            for source in noise_sources(new)
            if source.rate > 0.0 and id(source.layer) not in known
        ]
        if left:
            warnings.warn(
                f"These rates of model {new.name!r} belong to layers that do more than to drop, "
                f"so no layer can replace them and they stay: {', '.join(left)}. `set_rates` "
                f"changes them.",
                stacklevel=3,
            )


def add_dropout(
    model: keras.Model, function: Callable[[Any], keras.layers.Layer | None]
) -> keras.Model:
    """Return a new model with dropout after chosen layers, weights carried over.

    It is compiled as `model` is, with an optimizer that begins anew.

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
    compile_like(model, new)
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
