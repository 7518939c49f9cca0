"""Splits a model into a deterministic part, run once, and a stochastic part, run for each sample.

The graph of a Sequential or Functional model, nested ones included, becomes a list of steps. A
step is stochastic if it draws, or if one of its inputs comes from a stochastic step. Values of the
deterministic part are repeated only where a stochastic step takes them beside values of the
stochastic part, or draws.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_dropouts.keras_internals.graphs import graph_of, is_graph, output_structure
from keras_dropouts.keras_internals.padding_masks import padding_mask, set_padding_mask
from keras_dropouts.monte_carlo.rows import joined, repeated_rows, split_rows
from keras_dropouts.monte_carlo.sampling_mode import active_parts, sampling_mode
from keras_dropouts.monte_carlo.steps import Program, Slot, Step, add_graph, each_sample
from keras_dropouts.noise.sampler import Sampler, activate
from keras_dropouts.types import Tensor


class SampledModel:
    """The deterministic and the stochastic part of a model.

    Args:
        model: A built Keras model.
        call: For a model that is not Sequential or Functional: what calls it on a flat list of
            inputs. Such a model is one stochastic step.
        inputs: How many inputs `call` takes.
    """

    def __init__(
        self, model: keras.Model, call: Callable[[list[Tensor]], Any] | None = None, inputs: int = 1
    ) -> None:
        # Weakly, so that what is kept for a model does not keep the model.
        self._model = weakref.ref(model)
        self.active = {id(part) for part in active_parts(model)}
        self.structure: Any = None
        program = Program()
        if is_graph(model):
            graph = graph_of(model)
            self.inputs = [program.slot(True) for _ in graph.inputs]
            self.outputs = add_graph(program, model, self.inputs)
            self.structure = keras.tree.map_structure(lambda _: 0, output_structure(graph))
        else:
            self.inputs = [program.slot(True) for _ in range(inputs)]
            self.outputs = []
            self._call = call or (lambda flat: self.model(flat[0]))
            program.steps.append(self._whole(program))
        self.steps = program.steps
        self._has_rows = program.has_rows
        self._mark_stochastic()
        stochastic = [slot for step in self.steps if step.stochastic for slot in step.outputs]
        # Of the largest value that each sample has of its own; None for a model without a graph.
        known = is_graph(model) and stochastic
        self.row_size = max(program.row_size[slot] for slot in stochastic) if known else None

    @property
    def model(self) -> Any:
        """The model; it must still exist."""
        return self._model()

    def _whole(self, program: Program) -> Step:
        def run(values: dict[Slot, Tensor]) -> list[Tensor]:
            made = self._call([values[slot] for slot in self.inputs])
            self.structure = keras.tree.map_structure(lambda _: 0, made)
            flat = keras.tree.flatten(made)
            self.outputs = list(range(len(self.inputs), len(self.inputs) + len(flat)))
            return flat

        draws = bool(self.active)
        # How many outputs there are is known after the first run: `_store` counts on from here.
        return Step(run, self.inputs, [len(self.inputs)], draws, each_sample(self.model))

    def _mark_stochastic(self) -> None:
        stochastic: set[Slot] = set()
        for step in self.steps:
            step.stochastic = step.draws or any(slot in stochastic for slot in step.inputs)
            if step.stochastic:
                stochastic.update(step.outputs)
        deterministic = {
            slot for step in self.steps if not step.stochastic for slot in step.outputs
        } | set(self.inputs)
        used = {slot for step in self.steps if step.stochastic for slot in step.inputs}
        self.frontier = sorted(deterministic & (used | set(self.outputs)))

    def deterministic(self, inputs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the values that the stochastic part needs, and their padding masks or Nones."""
        values = dict(zip(self.inputs, inputs, strict=True))
        with sampling_mode(self.model, self.active):
            for step in self.steps:
                if not step.stochastic:
                    _store(values, step, step.run(values))
        found = [values[slot] for slot in self.frontier]
        return found, [padding_mask(x) for x in found]

    def stochastic(
        self, known: list[Tensor], padding_masks: list[Tensor], sampler: Sampler
    ) -> list[Tensor]:
        """Return the flat outputs for the samples of `sampler`, of shape (samples, batch, ...)."""
        values = dict(zip(self.frontier, known, strict=True))
        for x, mask in zip(known, padding_masks, strict=True):
            if mask is not None:
                set_padding_mask(x, mask)
        repeated: dict[Slot, Tensor] = {}
        with sampling_mode(self.model, self.active), activate(sampler):
            for step in self.steps:
                if step.stochastic:
                    rows = {
                        slot: self._as_rows(slot, values, repeated, sampler.count)
                        for slot in step.inputs
                    }
                    made = (
                        self._run_each(step, rows, sampler) if step.each_sample else step.run(rows)
                    )
                    _store(values, step, made)
        return [self._samples(slot, values, sampler) for slot in self.outputs]

    def _as_rows(
        self, slot: Slot, values: dict[Slot, Tensor], repeated: dict[Slot, Tensor], count: int
    ) -> Tensor:
        """Return a value with the rows of all samples; a deterministic one is repeated, once."""
        if slot not in self.frontier or not self._has_rows[slot]:
            return values[slot]
        if slot not in repeated:
            repeated[slot] = repeated_rows(values[slot], count)
        return repeated[slot]

    def _run_each(self, step: Step, rows: dict[Slot, Tensor], sampler: Sampler) -> list[Tensor]:
        """Run a step once for each sample, on that sample's rows."""
        parts = {
            slot: split_rows(x, sampler.count) if self._has_rows[slot] else [x] * sampler.count
            for slot, x in rows.items()
        }
        made, place = [], sampler.place
        for i in range(sampler.count):
            with activate(sampler.one(i)) as one:
                made.append(step.run({slot: part[i] for slot, part in parts.items()}))
                place = one.place
        sampler.place = place
        return [joined(xs) for xs in zip(*made, strict=True)]

    def _samples(self, slot: Slot, values: dict[Slot, Tensor], sampler: Sampler) -> Tensor:
        x = values[slot]
        if slot in self.frontier:
            return ops.broadcast_to(x[None], (sampler.count, *ops.shape(x)))
        return ops.reshape(x, (sampler.count, -1, *ops.shape(x)[1:]))


def _store(values: dict[Slot, Tensor], step: Step, made: list[Tensor]) -> None:
    slots = step.outputs
    if len(slots) != len(made):  # a whole model, whose outputs are counted now
        slots = list(range(slots[0], slots[0] + len(made)))
    values.update(zip(slots, made, strict=True))
