"""Runs each row of a batch alone where its samples draw what the rows of a batch would share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_dropouts import backends
from keras_dropouts.keras_internals.graphs import graph_of, is_graph
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.monte_carlo.steps import Step, shares_a_draw
from keras_dropouts.noise.sampler import Sampler
from keras_dropouts.surgery.batch_size import keeps_needless_batch_size
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts.types import Tensor

if TYPE_CHECKING:
    from keras_dropouts.monte_carlo.sampled_model import SampledModel


def runs_row_by_row(split: SampledModel) -> bool:
    """Return whether each row of a batch has to run alone, and can.

    Layers that drop weights, or whose scale is that of the whole batch, and dropout over what has
    no rows draw for all rows.
    """
    return bool(_draws_for_all_rows(split)) and _why_no_row_runs_alone(split) is None


def shared_draws(split: SampledModel) -> dict[str, str]:
    """Return the layers whose draws the rows of a batch share, by path, and why no row has its own.

    Such a draw is by the seed of the first row.
    """
    reason = _why_no_row_runs_alone(split)
    if reason is None:
        return {}
    paths = {id(source.layer): source.path for source in noise_sources(split.model)}
    found: dict[str, str] = {}
    for step in _draws_for_all_rows(split):
        layer = split.model if step.layer is None else step.layer
        active = [part for part in parts(layer) if id(part) in split.active]
        own = [part for part in active if shares_a_draw(part)]
        found |= {paths.get(id(part), part.name): reason for part in own or active}
    return found


def _draws_for_all_rows(split: SampledModel) -> list[Step]:
    drawing = [step for step in split.steps if step.stochastic and step.draws]
    return [step for step in drawing if step.each_sample or split.as_one]


def _why_no_row_runs_alone(split: SampledModel) -> str | None:
    """Return why a row alone would be another model, None where it would be the same."""
    if split.as_one:
        return "the inputs are one whole, as the nodes and edges of a graph"
    for step in split.steps:
        takes_rows = any(map(split.has_rows, step.inputs))
        if step.stochastic and takes_rows and not all(map(split.has_rows, step.outputs)):
            return "the model puts the rows of a batch together"
    if not all(map(split.has_rows, split.outputs)):
        return "the model has an output that belongs to no row"
    return "the model takes batches of one size" if _fixed_batch_size(split.model) else None


def _fixed_batch_size(model: Any) -> bool:
    """Return whether the graph of a model takes batches of one size alone."""
    tensors = graph_of(model).inputs if is_graph(model) else []
    fixed = any(x.shape and x.shape[0] is not None for x in tensors)
    return fixed and not keeps_needless_batch_size(model)


def row_by_row(
    split: SampledModel, known: list[Tensor], padding_masks: list[Tensor], sampler: Sampler
) -> list[Tensor]:
    """Return the samples of each row alone, put together again; see `SampledModel.stochastic`."""
    by_row = [split.has_rows(slot) for slot in split.frontier]
    given = [*zip(known, by_row, strict=True), *zip(padding_masks, by_row, strict=True)]
    start = sampler.place

    def of_row(parts: list[Tensor]) -> list[Tensor]:
        sampler.place = start  # a backend may call this more often than it runs
        alone = sampler.of_row(parts[0])
        own = iter(parts[1:])
        whole = [next(own) if rows and x is not None else x for x, rows in given]
        made = split.of_all_rows(whole[: len(known)], whole[len(known) :], alone)
        sampler.place = alone.place
        return made

    rows = [x for x, rows in given if rows and x is not None]
    return backends.mapped_rows(of_row, [sampler.seeds, *rows])
