"""Finds layers that drop at inference too, as a `training=True` is written in the model."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import keras

from keras_dropouts.keras_internals.graphs import (
    graph_of,
    input_structure,
    is_graph,
    nodes_in_order,
)
from keras_dropouts.keras_internals.layers import (
    build_shapes,
    compute_output_spec,
    parts,
    runs_known_code,
    takes_training,
)
from keras_dropouts.keras_internals.noted_draws import noted_draws
from keras_dropouts.keras_internals.patching import restored_after_calls
from keras_dropouts.keras_internals.rate_attributes import is_dropout_cell
from keras_dropouts.noise.stream import TrainingStream
from keras_dropouts.surgery.sources import NoiseSource
from keras_dropouts.types import Tensor


def always_on(model: Any, sources: list[NoiseSource]) -> set[int]:
    """Return the ids of those layers of `sources` that drop in `model(x)`, where nothing trains.

    That is so where a graph or a `call` says `training=True`. What a graph says is read from it;
    Keras itself overrides it in `predict`. For what is written in a `call` the model is called
    symbolically with `training=False`, on the shapes that it was built with. Of a model that is not
    built, and of one that cannot be called so, nothing is found.
    """
    known = {id(source.layer) for source in sources if source.rate > 0.0}
    found = known & set(map(id, _told_by_a_graph(model)))
    may_draw = known and model.built and not all(map(_is_known, parts(model)))
    for around in _draws(model) if may_draw else []:
        innermost = around[-1]
        if id(innermost) not in known and isinstance(innermost, keras.layers.RNN):
            found |= known & set(map(id, parts(innermost)))  # the rates are its cells'
        else:
            found.update([id(layer) for layer in reversed(around) if id(layer) in known][:1])
    return found


def _told_by_a_graph(model: Any) -> list[Any]:
    """Return the layers that a graph in the model calls with `training=True`, parts included."""
    nodes = [node for graph in parts(model) if is_graph(graph) for node in nodes_in_order(graph)]
    told = [node.operation for node in nodes if node.arguments.kwargs.get("training")]
    return [part for layer in told for part in parts(layer)]


def _draws(model: Any) -> list[list[Any]]:
    """Return the layers around each draw in `model(x, training=False)`, outermost first."""
    tensors = _symbolic_inputs(model)
    if tensors is None:
        return []
    arguments = {"training": False} if takes_training(model) else {}

    def call(x: Tensor) -> Tensor:
        return model(x, **arguments)

    ours = ((TrainingStream, name) for name in ("keep", "uniform"))
    with restored_after_calls(model), noted_draws(*ours) as found, suppress(Exception):
        compute_output_spec(call, tensors)  # whatever a user's own `call` raises
    return [[layer for layer, _ in calls] for calls in found if calls and not _is_unused(calls)]


def _is_known(layer: Any) -> bool:
    return runs_known_code(layer) or type(layer).__module__.startswith("keras_hub.")


def _symbolic_inputs(model: Any) -> Any:
    if is_graph(model):
        return input_structure(graph_of(model))
    shapes = build_shapes(model)
    if not shapes:
        return None
    given = next(iter(shapes.values()))
    if isinstance(given, tuple) and all(size is None or isinstance(size, int) for size in given):
        return keras.KerasTensor(given, dtype=model.input_dtype)
    return keras.tree.map_shape_structure(
        lambda shape: keras.KerasTensor(shape, dtype=model.input_dtype), given
    )


def _is_unused(inside: list[tuple[Any, Any]]) -> bool:
    """Return whether a draw is one for a mask that a recurrent layer of Keras does not use.

    Such layers draw the masks of their cells before the first time step, in training or not.
    """
    layer = inside[-1][0]
    recurrent = isinstance(layer, keras.layers.RNN) or is_dropout_cell(layer)
    # A layer that is not told whether it trains does what the one around it does.
    told = [training for _, training in inside if training is not None]
    return recurrent and not (told and told[-1])
