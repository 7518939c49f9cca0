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
from keras_dropouts.keras_internals.layers import is_from_keras_or_ours, parts
from keras_dropouts.keras_internals.padding_masks import padding_mask, set_padding_mask
from keras_dropouts.monte_carlo.draws_for_rows import drawn_for, draws_off_rows
from keras_dropouts.monte_carlo.row_by_row import row_by_row, runs_row_by_row
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
        as_one: Whether the inputs are one whole, such as a graph, and not rows of a batch.
        whole: Whether to call the model although its graph is known.
    """

    def __init__(
        self,
        model: keras.Model,
        call: Callable[[list[Tensor]], Any] | None = None,
        inputs: int = 1,
        as_one: bool = False,
        whole: bool = False,
    ) -> None:
        self._model = weakref.ref(model)  # or what is kept for a model would keep the model
        self.active = {id(part) for part in active_parts(model)}
        self._call = call or (lambda flat: self.model(flat[0]))
        self.as_one = as_one
        self.drew: bool | None = None  # whether a noise source was called, once it has run
        self._arrange(is_graph(model) and not whole, inputs)

    def _arrange(self, by_graph: bool, inputs: int) -> None:
        """Make the steps: those of the graph, or one that calls the model with so many inputs."""
        self.by_graph, self.structure = by_graph, None
        program = Program()
        if by_graph:
            graph = graph_of(self.model)
            self.inputs = [program.slot(True) for _ in graph.inputs]
            self.outputs = add_graph(program, self.model, self.inputs)
            self.structure = keras.tree.map_structure(lambda _: 0, output_structure(graph))
        else:
            self.inputs = [program.slot(True) for _ in range(inputs)]
            self.outputs = []
            program.steps.append(self._whole(program))
        self.steps = program.steps
        self._in_rows = program.has_rows
        self._mark_stochastic()
        stochastic = [slot for step in self.steps if step.stochastic for slot in step.outputs]
        # Of the largest value that each sample has of its own; None for a model without a graph.
        known = by_graph and stochastic
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

        # How many outputs there are is known after the first run: `_slots` counts on from here. So
        # the model counts as stochastic in any case.
        return Step(run, self.inputs, [len(self.inputs)], True, each_sample(self.model))

    def find_rows(self, shapes: list[Any], dtypes: list[str], same_rows: bool = True) -> None:
        """Find out whether a model draws for rows alone; otherwise run each sample.

        Of a graph it is known, but for layers of others, which may put another dimension first; the
        model is then called as if it had no graph.

        shapes, dtypes: of its inputs; the first dimension of a shape is not looked at. same_rows:
        whether its inputs are known to have the same number of rows; several inputs that may
        differ in it are one whole.
        """
        if self.by_graph:
            if not any(map(_draws_unknown, self.steps)):
                return
            whole = SampledModel(self.model, self._call, len(shapes), whole=True)
            if not draws_off_rows(whole, shapes, dtypes):
                return
            self._arrange(False, len(shapes))
            found = "else"
        else:
            found = drawn_for(self, shapes, dtypes)
        may_differ = len(shapes) > 1 and not same_rows
        self.as_one |= may_differ and found in ("whole", "unknown")
        step = self.steps[0]
        step.off_rows |= found != "rows"
        step.each_sample |= step.off_rows

    @property
    def runs_each_sample(self) -> bool:
        """Whether the stochastic part runs as a whole once for each sample."""
        stochastic = [step for step in self.steps if step.stochastic]
        return bool(stochastic) and all(step.off_rows for step in stochastic)

    def has_rows(self, slot: Slot) -> bool:
        """Return whether the first axis of a value is the batch."""
        return self._in_rows.get(slot, True) and not self.as_one

    def _mark_stochastic(self) -> None:
        stochastic: set[Slot] = set()
        for step in self.steps:
            step.stochastic = step.draws or any(slot in stochastic for slot in step.inputs)
            if not step.stochastic:
                continue
            # A sample's value that has no rows cannot be laid beside those of the other samples.
            beside = [*step.outputs, *(step.inputs if step.draws else stochastic & {*step.inputs})]
            step.off_rows = not all(map(self.has_rows, beside))
            step.each_sample |= step.off_rows
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
        """Return the flat outputs for the samples of `sampler`, of shape (rows, samples, ...).

        Outputs without rows have the axis of the samples as their second one, too, or as their
        only one.
        """
        if sampler.fixed_masks or not runs_row_by_row(self):
            return self.of_all_rows(known, padding_masks, sampler)
        return row_by_row(self, known, padding_masks, sampler)

    def of_all_rows(
        self, known: list[Tensor], padding_masks: list[Tensor], sampler: Sampler
    ) -> list[Tensor]:
        """Return what `stochastic` does, of all rows at once."""
        values = dict(zip(self.frontier, known, strict=True))
        for x, mask in zip(known, padding_masks, strict=True):
            if mask is not None:
                set_padding_mask(x, mask)
        repeated: dict[Slot, Tensor] = {}
        start = sampler.place
        with sampling_mode(self.model, self.active), activate(sampler):
            for step in self.steps:
                if step.stochastic and step.each_sample:
                    _store(values, step, self._run_each(step, values, sampler))
                elif step.stochastic:
                    rows = {
                        slot: self._as_rows(slot, values, repeated, sampler.count)
                        for slot in step.inputs
                    }
                    _store(values, step, step.run(rows))
        self.drew = sampler.place > start
        return [self._samples(slot, values, sampler) for slot in self.outputs]

    def _as_rows(
        self, slot: Slot, values: dict[Slot, Any], repeated: dict[Slot, Tensor], count: int
    ) -> Tensor:
        """Return a value with the rows of all samples; a deterministic one is repeated, once."""
        if slot not in self.frontier or not self.has_rows(slot):
            return values[slot]
        if slot not in repeated:
            repeated[slot] = repeated_rows(values[slot], count)
        return repeated[slot]

    def _run_each(self, step: Step, values: dict[Slot, Any], sampler: Sampler) -> list[Any]:
        """Run a step once for each sample; a value without rows is a list of those of the samples.

        What is deterministic is given to each as it is.
        """
        count = sampler.count
        parts = {slot: self._each(slot, values[slot], count) for slot in step.inputs}
        made, place = [], sampler.place
        for i in range(count):
            with activate(sampler.one(i, step.off_rows)) as one:
                made.append(step.run({slot: part[i] for slot, part in parts.items()}))
                place = one.place
        sampler.place = place
        slots = _slots(step, made[0])
        return [
            joined(xs) if self.has_rows(slot) else list(xs)
            for slot, xs in zip(slots, zip(*made, strict=True), strict=True)
        ]

    def _each(self, slot: Slot, value: Any, count: int) -> list[Tensor]:
        if slot in self.frontier:
            return [value] * count
        return split_rows(value, count) if self.has_rows(slot) else value

    def _samples(self, slot: Slot, values: dict[Slot, Any], sampler: Sampler) -> Tensor:
        x, count = values[slot], sampler.count
        if slot in self.frontier:
            x = [x] * count
        if isinstance(x, list):
            return ops.stack(x, axis=min(len(x[0].shape), 1))
        return ops.reshape(x, (-1, count, *ops.shape(x)[1:]))


def _draws_unknown(step: Step) -> bool:
    """Return whether a layer that is neither Keras's nor ours draws in a step."""
    held = parts(step.layer) if step.draws and step.layer is not None else []
    return not all(map(is_from_keras_or_ours, held))


def _store(values: dict[Slot, Any], step: Step, made: list[Any]) -> None:
    values.update(zip(_slots(step, made), made, strict=True))


def _slots(step: Step, made: list[Any]) -> list[Slot]:
    """Return the slots of what a step returned; those of a whole model are counted now."""
    if len(step.outputs) == len(made):
        return step.outputs
    return list(range(step.outputs[0], step.outputs[0] + len(made)))
