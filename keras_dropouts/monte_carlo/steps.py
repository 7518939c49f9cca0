"""Turns the graph of a model, nested models included, into a list of steps."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_dropouts.keras_internals.graphs import (
    graph_of,
    is_graph,
    nodes_in_order,
    standardized_inputs,
)
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.padding_masks import padding_mask, set_padding_mask
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.monte_carlo.sampling_mode import active_parts
from keras_dropouts.types import Layer, Tensor

Slot = int

_DYNAMIC = 128  # the size that a dynamic dimension is taken for


@dataclass
class Step:
    """One call: `run` takes a dict from slots to values and returns a flat list of outputs.

    draws: whether it holds an active noise source; each_sample: whether it has to be called once
    for each sample; off_rows: whether it has to since it handles what has no rows; stochastic:
    whether it draws, or takes what such a step returned.
    """

    run: Callable[[dict[Slot, Tensor]], list[Tensor]]
    inputs: list[Slot]
    outputs: list[Slot]
    draws: bool = False
    each_sample: bool = False
    off_rows: bool = False
    stochastic: bool = False
    layer: Layer | None = None


@dataclass
class Program:
    """Steps in the order of their calls, and what is known of the slots.

    has_rows: whether its first axis is the batch; row_size: numbers in a row, where it has rows.
    """

    steps: list[Step] = field(default_factory=list)
    has_rows: dict[Slot, bool] = field(default_factory=dict)
    row_size: dict[Slot, int] = field(default_factory=dict)

    def slot(self, has_rows: bool, shape: tuple[int | None, ...] = ()) -> Slot:
        """Return a new slot."""
        slot = len(self.has_rows)
        self.has_rows[slot] = has_rows
        self.row_size[slot] = math.prod(size or _DYNAMIC for size in shape[1:])
        return slot


def add_graph(program: Program, model: Any, inputs: list[Slot]) -> list[Slot]:
    """Add the steps of a Sequential or Functional model; return the slots of its outputs."""
    graph, held = graph_of(model), weakref.ref(model)
    entered = [program.slot(program.has_rows[slot]) for slot in inputs]

    def enter(values: dict[Slot, Tensor]) -> list[Tensor]:
        # What a model's own call does to its inputs before the first layer sees them.
        flat = [_cast_input(held(), values[slot]) for slot in inputs]
        made = standardized_inputs(held(), flat)
        for before, after in zip(flat, made, strict=True):
            _hand_on_padding_mask(before, after)
        return made

    program.steps.append(Step(enter, inputs, entered))
    slots = dict(zip(map(id, graph.inputs), entered, strict=True))
    for node in nodes_in_order(graph):
        _add_node(program, node, slots, _batch_size(graph))
    return [slots[id(x)] for x in graph.outputs]


def _add_node(program: Program, node: Any, slots: dict[int, Slot], batch: int | None) -> None:
    operation, arguments = node.operation, node.arguments
    places = {id(x): slots[id(x)] for x in arguments.keras_tensors}
    if _can_inline(operation, arguments):
        inputs = [places[id(x)] for x in keras.tree.flatten(arguments.args[0])]
        outputs = add_graph(program, operation, inputs)
    else:
        outputs = [
            program.slot(bool(x.shape) and x.shape[0] == batch, x.shape) for x in node.outputs
        ]

        def run(values: dict[Slot, Tensor]) -> list[Tensor]:
            args, kwargs = arguments.fill_in({key: values[slot] for key, slot in places.items()})
            return keras.tree.flatten(operation(*args, **kwargs))

        is_layer = isinstance(operation, keras.layers.Layer)
        draws = is_layer and bool(active_parts(operation))
        each = draws and each_sample(operation)
        layer = operation if is_layer else None
        program.steps.append(Step(run, list(places.values()), outputs, draws, each, layer=layer))
    slots.update(zip(map(id, node.outputs), outputs, strict=True))


def _can_inline(operation: Any, arguments: Any) -> bool:
    """Return whether a node is a call of a nested graph model on its inputs alone."""
    plain = all(key == "training" or value is None for key, value in arguments.kwargs.items())
    return is_graph(operation) and len(arguments.args) == 1 and plain


def _batch_size(graph: Any) -> int | None:
    sizes = [x.shape[0] for x in graph.inputs if x.shape]
    return sizes[0] if sizes else None


def each_sample(layer: Layer) -> bool:
    """Return whether samples cannot be rows of one batch for a layer."""
    return any(map(shares_a_draw, parts(layer)))


def shares_a_draw(part: Layer) -> bool:
    """Return whether a layer draws, or scales, for all rows of a batch together."""
    return isinstance(part, BaseDropout) and (part.mixes_rows or not part.draws_by_row)


def _cast_input(model: Any, x: Tensor) -> Tensor:
    converted = model.dtype_policy.convert_input(x, model.autocast, model.input_dtype)
    _hand_on_padding_mask(x, converted)
    return converted


def _hand_on_padding_mask(before: Tensor, after: Tensor) -> None:
    mask = padding_mask(before)
    if mask is not None:
        set_padding_mask(after, mask)
