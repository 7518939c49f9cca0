"""Builds a new Sequential or Functional model with other layers in place of some."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.keras_internals.bidirectional import directions, put_directions
from keras_dropouts.keras_internals.graphs import (
    functional_class,
    inbound_nodes,
    input_layer,
    is_graph,
    made_by,
    nodes_in_order,
)
from keras_dropouts.keras_internals.layers import children, parts
from keras_dropouts.surgery.batch_size import keeps_needless_batch_size
from keras_dropouts.surgery.clone import carry_state, clone_layer, clone_operation, clone_whole
from keras_dropouts.surgery.model_checks import check_graph
from keras_dropouts.types import Layer

Replace = Callable[[Layer], "list[Layer] | None"]


def rewrite(model: keras.Model, replace: Replace) -> keras.Model:
    """Return a new model like `model`, with other layers in place of some.

    Nested models are walked too, and a layer that is used in several places is replaced once and
    used in the same places. Names, dtypes, weights, assets such as vocabularies, `trainable` and
    the structure of inputs and outputs are carried over. The new model is not compiled and shares
    nothing with the old one, which is not changed.

    Args:
        model: A built Sequential or Functional model.
        replace: Called once with each layer; returns None (keep it), [] (leave it out) or a list
            of new layers to apply one after the other in its place. A weight of a new layer comes
            from the part of the old layer with the same name and class, where there is one.

    Returns:
        The new model, of the class of `model` where that class takes inputs and outputs.

    Raises:
        ValueError: if `model` is not a Keras model, is not built, is subclassed, or holds a layer
            that cannot be made again.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    >>> new = rewrite(model, lambda layer: [keras.layers.Identity()])
    >>> [type(layer).__name__ for layer in new.layers]
    ['Identity']
    """
    check_graph(model)
    rewriter = _Rewriter(replace)
    new = rewriter.model(model)
    rewriter.carry_over()
    return new


def copy_model(model: keras.Model) -> keras.Model:
    """Return a copy of a built model of any kind, weights and all, that shares nothing with it.

    Raises:
        ValueError: if it can neither be copied nor made again from its config.
    """
    return clone_whole(model, _copy_graph) if not is_graph(model) else rewrite(model, _keep)


def carry_parts(old: Layer, stand_ins: list[Any]) -> None:
    """Copy weights from a layer to those parts of its stand-ins that have the same name and class.

    Raises:
        ValueError: if such a part is not made of the same parts.
    """
    for first, second in _same_parts(old, stand_ins):
        carry_state(first, second)


def _keep(layer: Layer) -> None:
    return None


def _copy_graph(thing: Any, copy: Callable[[Layer], Layer]) -> Any:
    """Return a graph model of the same shape whose layers are those that `copy` returns."""
    if not is_graph(thing):
        return None
    return _Rewriter(lambda layer: None if is_graph(layer) else [copy(layer)]).model(thing)


class _Rewriter:
    """Holds what was made so far, so that a shared layer is made once."""

    def __init__(self, replace: Replace) -> None:
        self.replace = replace
        self.made: dict[int, list[Any]] = {}
        self.models: list[tuple[Any, Any]] = []
        self.clones: list[tuple[Any, Any]] = []

    def model(self, model: Any) -> Any:
        """Return the new model for a graph model."""
        if isinstance(model, keras.Sequential):
            new = self._sequential(model)
        else:
            new = self._functional(model)
        self.models.insert(0, (model, new))  # outer models come before inner ones
        return new

    def carry_over(self) -> None:
        """Bring weights, assets and flags to the new layers, which are all built by now."""
        for old, new in self.models:
            if old.trainable != new.trainable:
                new.trainable = old.trainable
        for old, new in self.clones:
            carry_state(old, new)

    def stand_ins(self, operation: Any) -> list[Any]:
        """Return the new operations to apply where `operation` was, made on the first call."""
        if id(operation) not in self.made:
            self.made[id(operation)] = self._make(operation)
        return self.made[id(operation)]

    def _make(self, operation: Any) -> list[Any]:
        if not isinstance(operation, keras.layers.Layer):
            return [clone_operation(operation)]
        chosen = self.replace(operation)
        if chosen is not None:
            self.clones += _same_parts(operation, chosen)
            # A layer that cast its input to its own dtype leaves the cast behind.
            return list(chosen) or ([_identity(operation)] if _casts(operation) else [])
        if is_graph(operation):
            return [self.model(operation)]
        if type(operation) is keras.layers.TimeDistributed:
            return self._time_distributed(operation)
        if type(operation) is keras.layers.Bidirectional:
            return [self._bidirectional(operation)]
        clone = clone_layer(operation, _copy_graph)
        self.clones.append((operation, clone))
        return [clone]

    def _bidirectional(self, layer: Any) -> Any:
        new = clone_layer(layer, _copy_graph)
        made = [self.stand_ins(direction) for direction in directions(layer)]
        put_directions(new, [stand_in for (stand_in,) in made])
        new.trainable = layer.trainable
        return new

    def _time_distributed(self, layer: Any) -> list[Any]:
        config = {key: value for key, value in layer.get_config().items() if key != "layer"}
        wrapped = self.stand_ins(layer.layer)
        names = [*(part.name for part in wrapped[:-1]), layer.name]
        return [
            keras.layers.TimeDistributed(part, **{**config, "name": name})
            for part, name in zip(wrapped, names, strict=False)
        ]

    def _sequential(self, model: Any) -> Any:
        layers = [part for layer in model.layers for part in self.stand_ins(layer)]
        # A Sequential model of no layers cannot be called.
        layers = layers or [_identity(model.layers[-1])]
        kind = type(model) if _plain_constructor(model, keras.Sequential) else keras.Sequential
        inputs = _new_input(input_layer(model), free_batch=keeps_needless_batch_size(model))
        return kind([inputs, *layers], name=model.name)

    def _functional(self, model: Any) -> Any:
        tensors = {id(tensor): _new_input(made_by(tensor)[0]).output for tensor in model.inputs}
        for node in nodes_in_order(model):
            args, kwargs = node.arguments.fill_in(tensors)
            outputs = _apply(self.stand_ins(node.operation), args, kwargs)
            flat = keras.tree.flatten(outputs)
            tensors.update((id(x), y) for x, y in zip(node.outputs, flat, strict=True))
        given = {id(tensors[id(tensor)]) for tensor in model.inputs}
        if all(id(tensors[id(tensor)]) in given for tensor in model.outputs):
            # Before Keras 3.14 a model of no operations cannot be made.
            for tensor in {id(tensor): tensor for tensor in model.outputs}.values():
                tensors[id(tensor)] = _identity(made_by(tensor)[0])(tensors[id(tensor)])
        inputs, outputs = keras.tree.map_structure(
            lambda tensor: tensors[id(tensor)], (model.input, model.output)
        )
        plain = _plain_constructor(model, functional_class(model))
        kind = type(model) if plain else keras.Model
        return kind(inputs, outputs, name=model.name)


def _plain_constructor(model: Any, kind: Any) -> bool:
    """Return whether a model's class is made as `kind` is, or passes all arguments on."""
    own = inspect.signature(type(model).__init__).parameters
    names = list(inspect.signature(kind.__init__).parameters)
    passes_on = {parameter.kind for parameter in own.values()} >= {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }
    return list(own) == names or passes_on


def _new_input(layer: Any, free_batch: bool = False) -> Any:
    config = layer.get_config()
    if free_batch:
        config["batch_shape"] = (None, *config["batch_shape"][1:])
    return type(layer).from_config(config)


def _identity(layer: Any) -> Any:
    # By name: with the policy itself Keras 3.15 does not save the layer.
    return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy.name)


def _casts(layer: Any) -> bool:
    return any(
        node.outputs[0].dtype != node.input_tensors[0].dtype for node in inbound_nodes(layer)
    )


def _same_parts(old: Any, stand_ins: list[Any]) -> list[tuple[Any, Any]]:
    """Return the (old, new) pairs of parts of the same name and class."""
    known = {(part.name, type(part)): part for part in parts(old)}
    pairs: list[tuple[Any, Any]] = []
    waiting = list(stand_ins)
    while waiting:
        part = waiting.pop()
        key = (part.name, type(part))
        if key in known:
            pairs.append((known[key], part))
        elif isinstance(part, keras.layers.Layer):
            waiting += children(part)  # a wrapper of another kind may hold a part that is known
    return pairs


def _apply(operations: list[Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Call operations in turn, each with those of the keyword arguments that it takes."""
    if not operations:
        return args[0] if args else next(iter(kwargs.values()))
    if len(operations) == 1 and not isinstance(operations[0], keras.layers.Layer):
        return operations[0](*args, **kwargs)
    for operation in operations:
        args = (operation(*args, **_accepted(operation, kwargs)),)
    return args[0]


def _accepted(layer: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(layer.call).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return kwargs
    return {key: value for key, value in kwargs.items() if key in parameters}
