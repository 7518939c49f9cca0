"""Finds out what a model without a graph draws for: rows of its batch, or something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_dropouts.keras_internals.layers import compute_output_spec
from keras_dropouts.monte_carlo.sampling_mode import sampling_mode
from keras_dropouts.noise.sampler import Sampler, SampleStream, activate
from keras_dropouts.types import Tensor

if TYPE_CHECKING:
    from keras_dropouts.monte_carlo.sampled_model import SampledModel

_ROWS, _OTHER_ROWS = 1009, 1013  # primes, which no other dimension is likely to have


def drawn_for(split: SampledModel, shapes: list[Any], dtypes: list[str]) -> str:
    """Return what a model draws for: "rows" of a batch, a "whole", "else" or "unknown".

    It is called symbolically. It draws for rows where everything that it draws has as many rows as
    the inputs, or one row for all, and where the inputs must have the same number of rows. Where
    they need not, as nodes and edges of a graph, they are a whole. What a model draws for that
    cannot be called symbolically is not known.
    """
    leads = _leads(split, shapes, dtypes, [_ROWS] * len(shapes))
    if leads is None:
        return "unknown"
    different = [_ROWS, *[_OTHER_ROWS] * (len(shapes) - 1)]
    if len(shapes) > 1 and _leads(split, shapes, dtypes, different) is not None:
        return "whole"
    for_rows = all(not isinstance(lead, int) or lead in (1, _ROWS) for lead in leads)
    return "rows" if for_rows else "else"


def _leads(split: Any, shapes: list[Any], dtypes: list[str], rows: list[int]) -> list[Any] | None:
    """Return the first dimension of each draw, None where the model cannot be called so."""
    inputs = [
        keras.KerasTensor((count, *shape[1:]), dtype=dtype) if len(shape) else None
        for count, shape, dtype in zip(rows, shapes, dtypes, strict=True)
    ]
    if None in inputs:
        return None
    leads: list[Any] = []

    def call(*flat: Tensor) -> Any:
        seeds = ops.zeros((rows[0], 2), "int32")
        sampler = _NotingSampler(seeds, ops.zeros((), "int32"), 1)
        sampler.leads = leads
        with sampling_mode(split.model, split.active), activate(sampler):
            return split.steps[0].run(dict(zip(split.inputs, flat, strict=True)))

    try:
        compute_output_spec(call, *inputs)
    except Exception:  # noqa: BLE001  (whatever a user's own `call` raises)
        return None
    return leads


class _NotingSampler(Sampler):
    """A sampler that notes the first dimension of what is drawn by row."""

    leads: list[Any]

    def next_stream(self, by_row: bool = True) -> SampleStream:
        super().next_stream(by_row)
        return _NotingStream(self, self.place - 1, by_row)


class _NotingStream(SampleStream):
    def _layout(self, shape: tuple[Any, ...]) -> Any:
        if self.by_row and isinstance(self.sampler, _NotingSampler):
            self.sampler.leads.append(shape[0])
        return super()._layout(shape)
