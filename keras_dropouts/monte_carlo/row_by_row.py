"""Runs each row of a batch alone where its samples draw what the rows of a batch would share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_dropouts import backends
from keras_dropouts.keras_internals.graphs import graph_of, is_graph
from keras_dropouts.noise.sampler import Sampler
from keras_dropouts.surgery.batch_size import keeps_needless_batch_size
from keras_dropouts.types import Tensor

if TYPE_CHECKING:
    from keras_dropouts.monte_carlo.sampled_model import SampledModel


def runs_row_by_row(split: SampledModel) -> bool:
    """Return whether each row of a batch has to run alone.

    Layers that drop weights, or whose scale is that of the whole batch, and dropout over what has
    no rows draw for all rows. Where values of all rows are mixed, a row alone would be another
    model; an output without rows belongs to no row, and a fixed batch size shuts rows out: all is
    one whole there.
    """
    stochastic = [step for step in split.steps if step.stochastic]
    if split.as_one or not any(step.draws and step.each_sample for step in stochastic):
        return False
    mixed = any(
        any(map(split.has_rows, step.inputs)) and not all(map(split.has_rows, step.outputs))
        for step in stochastic
    )
    whole = mixed or not all(map(split.has_rows, split.outputs))
    return not whole and not _fixed_batch_size(split.model)


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
