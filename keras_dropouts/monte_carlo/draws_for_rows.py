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


def draws_for_rows(split: SampledModel, shapes: list[Any], dtypes: list[str]) -> bool:
    """Return whether the samples of a model may be rows of one batch, as far as its draws tell.

    It is called symbolically. They may be where everything that it draws has as many rows as the
    inputs, or one row for all, and where the inputs must have the same number of rows. Where they
    need not, as nodes and edges of a graph, and in a model that cannot be called symbolically, they
    may not.
    """
    leads = _leads(split, shapes, dtypes, [_ROWS] * len(shapes))
    if leads is None or any(isinstance(lead, int) and lead not in (1, _ROWS) for lead in leads):
        return False
    different = [_ROWS, *[_OTHER_ROWS] * (len(shapes) - 1)]
    return len(shapes) == 1 or _leads(split, shapes, dtypes, different) is None


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
        key, sample = ops.zeros((2,), "int32"), ops.zeros((1,), "int32")
        sampler = _NotingSampler(key, sample, rows[0], ops.zeros((), "int32"))
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
