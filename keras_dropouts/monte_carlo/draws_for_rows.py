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
_LENGTH = 13  # what a dynamic dimension is tried with before it is left open


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
    return "rows" if _for_rows(leads) else "else"


def draws_off_rows(split: SampledModel, shapes: list[Any], dtypes: list[str]) -> bool:
    """Return whether a model of inputs with the same rows is known to draw for something else."""
    leads = _leads(split, shapes, dtypes, [_ROWS] * len(shapes), off_rows=True)
    return leads is not None and not _for_rows(leads)


def _for_rows(leads: list[Any]) -> bool:
    return all(not isinstance(lead, int) or lead in (1, _ROWS) for lead in leads)


def _leads(
    split: Any, shapes: list[Any], dtypes: list[str], rows: list[int], off_rows: bool = False
) -> list[Any] | None:
    """Return the first dimension of each draw, None where the model cannot be called so.

    off_rows: whether the call goes on after a draw for something else than rows.
    """
    if not all(len(shape) for shape in shapes):
        return None
    sized = [tuple(size or _LENGTH for size in shape[1:]) for shape in shapes]
    found = _leads_of(split, sized, dtypes, rows, off_rows)
    if found is not None:
        return found
    return _leads_of(split, [tuple(shape[1:]) for shape in shapes], dtypes, rows, off_rows)


def _leads_of(
    split: Any, rests: list[Any], dtypes: list[str], rows: list[int], off_rows: bool
) -> list[Any] | None:
    inputs = [
        keras.KerasTensor((count, *rest), dtype=dtype)
        for count, rest, dtype in zip(rows, rests, dtypes, strict=True)
    ]
    leads: list[Any] = []

    def call(*flat: Tensor) -> Any:
        seeds = ops.zeros((rows[0], 2), "int32")
        sampler = _NotingSampler(seeds, ops.zeros((), "int32"), 1)
        sampler.leads, sampler.off_rows = leads, off_rows
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
