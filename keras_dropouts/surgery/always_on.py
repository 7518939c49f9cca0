"""Finds layers that drop at inference too, as a `training=True` is written in the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    takes_training,
)
from keras_dropouts.keras_internals.patching import replaced_in_thread, restored_after_calls
from keras_dropouts.keras_internals.random_functions import BACKEND_RANDOM, DRAWS
from keras_dropouts.keras_internals.rate_attributes import is_dropout_cell
from keras_dropouts.noise.stream import TrainingStream
from keras_dropouts.surgery.sources import NoiseSource
from keras_dropouts.types import Tensor

_KNOWN = ("keras.", "keras_dropouts.", "keras_hub.")


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

    found: list[list[Any]] = []
    with restored_after_calls(model), _draws_noted(found):
        try:
            compute_output_spec(call, tensors)
        except Exception:  # noqa: BLE001  (whatever a user's own `call` raises)
            return found
    return found


def _is_known(layer: Any) -> bool:
    known = type(layer).__module__.startswith(_KNOWN)
    return known and not isinstance(layer, keras.layers.Lambda)


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


@contextmanager
def _draws_noted(found: list[list[Any]]) -> Iterator[None]:
    """Add to `found` the layers around each draw of this thread."""
    inside: list[Any] = []

    def entered(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            inside.append((self, kwargs.get("training")))
            try:
                return original(self, *args, **kwargs)
            finally:
                inside.pop()

        return call

    def noted(original: Any) -> Any:
        def draw(*args: Any, **kwargs: Any) -> Any:
            if inside and not _is_unused(inside):
                found.append([layer for layer, _ in inside])
            return original(*args, **kwargs)

        return draw

    with ExitStack() as stack:
        stack.enter_context(replaced_in_thread(keras.layers.Layer, "__call__", entered))
        places = [(BACKEND_RANDOM, name) for name in DRAWS]
        for owner, name in [*places, (TrainingStream, "bits"), (TrainingStream, "uniform")]:
            stack.enter_context(replaced_in_thread(owner, name, noted))
        yield


def _is_unused(inside: list[tuple[Any, Any]]) -> bool:
    """Return whether a draw is one for a mask that a recurrent layer of Keras does not use.

    Such layers draw the masks of their cells before the first time step, in training or not.
    """
    layer = inside[-1][0]
    recurrent = isinstance(layer, keras.layers.RNN) or is_dropout_cell(layer)
    # A layer that is not told whether it trains does what the one around it does.
    told = [training for _, training in inside if training is not None]
    return recurrent and not (told and told[-1])
