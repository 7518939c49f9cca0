"""Runs the two parts of a model, compiled, on one batch after the other."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.monte_carlo.sampled_model import SampledModel
from keras_dropouts.monte_carlo.sampling_mode import active_parts
from keras_dropouts.noise.sampler import Sampler, words_of
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts.types import Tensor

# What runs together: rows of a subclassed model, whose insides are not known, and numbers of the
# largest value that the samples of any other model do not share. More would run no faster.
_ROWS_AT_ONCE, _NUMBERS_AT_ONCE = 256, 2**24
_SAMPLES_AT_ONCE = 128

_runs: weakref.WeakKeyDictionary[Any, dict[Any, CompiledRun]] = weakref.WeakKeyDictionary()


class CompiledRun:
    """The two parts of a model, compiled."""

    def __init__(self, model: Any, structure: Any, fixed_masks: bool, as_one: bool) -> None:
        held = weakref.ref(model)

        def call(flat: list[Tensor]) -> Any:
            there: Any = held()
            return there(keras.tree.pack_sequence_as(structure, flat))

        inputs = len(keras.tree.flatten(structure))
        self.model = SampledModel(model, call, inputs, as_one)
        self.fixed_masks = fixed_masks
        self._deterministic = backends.compiled(self.model.deterministic, held)
        # One for each number of samples, which is static.
        self._stochastic = functools.cache(
            lambda count: backends.compiled(functools.partial(self._draw, count), held)
        )
        # Both parts at once, which saves a call where all samples run together.
        self._whole = functools.cache(
            lambda count: backends.compiled(functools.partial(self._predict, count), held)
        )

    @property
    def structure(self) -> Any:
        """The structure of the outputs, known after a run."""
        return self.model.structure

    def chunk_size(self, batch: int) -> int:
        """Return how many samples of `batch` rows are to run together."""
        if self.model.runs_each_sample:
            return 1  # more would run no faster, and each takes time to trace
        size = self.model.row_size
        rows = _ROWS_AT_ONCE if size is None else _NUMBERS_AT_ONCE // max(size, 1)
        return max(1, min(rows // batch, _SAMPLES_AT_ONCE))

    def _draw(
        self, count: int, known: Any, padding_masks: Any, seeds: Tensor, first: Tensor
    ) -> list[Tensor]:
        """Return `count` samples from the number `first` on; `seeds` are the words of the rows'."""
        sampler = Sampler(seeds, first, count, self.fixed_masks)
        return self.model.stochastic(known, padding_masks, sampler)

    def _predict(self, count: int, inputs: list[Tensor], seeds: Tensor, first: Tensor) -> Any:
        return self._draw(count, *self.model.deterministic(inputs), seeds, first)

    def chunks(
        self, inputs: list[np.ndarray], seeds: np.ndarray, count: int, chunk: int
    ) -> Iterator[list[np.ndarray]]:
        """Yield the flat outputs of one batch, `chunk` samples at a time: (rows, chunk, ...)."""
        if count <= chunk:
            tensors = [ops.convert_to_tensor(x) for x in inputs]
            words = ops.convert_to_tensor(words_of(seeds))
            made = self._whole(count)(tensors, words, ops.convert_to_tensor(0, "int32"))
            yield [ops.convert_to_numpy(x) for x in made]
            return
        yield from self.chunks_of(self.prepared(inputs), seeds, count, chunk)

    def prepared(self, inputs: list[np.ndarray]) -> Any:
        """Return what the deterministic part computes of one batch, for `chunks_of`."""
        return self._deterministic([ops.convert_to_tensor(x) for x in inputs])

    def chunks_of(
        self, prepared: Any, seeds: np.ndarray, count: int, chunk: int
    ) -> Iterator[list[np.ndarray]]:
        """Yield what `chunks` does, from what `prepared` returned."""
        known, padding_masks = prepared
        words = ops.convert_to_tensor(words_of(seeds))
        for start in range(0, count, chunk):
            run = self._stochastic(min(chunk, count - start))
            made = run(known, padding_masks, words, ops.convert_to_tensor(start, "int32"))
            yield [ops.convert_to_numpy(x) for x in made]

    def forget_rates(self) -> None:
        """Trace the stochastic part again when it next runs, as rates of Keras's own changed."""
        self._stochastic.cache_clear()
        self._whole.cache_clear()


def _dtype(x: np.ndarray) -> str:
    return "string" if x.dtype == object else keras.backend.standardize_dtype(x.dtype)


def run_for(
    model: Any, flat: list[np.ndarray], structure: Any, fixed_masks: bool, as_one: bool
) -> CompiledRun:
    """Return the compiled parts of a model, those of the last call where they still serve."""
    # What a traced function holds as a constant: which layers draw, and rates of Keras's own.
    constants = constant_rates(model)
    active = tuple(id(part) for part in active_parts(model))
    key = (repr(structure), fixed_masks, as_one, constants, active)
    kept = _runs.get(model)
    if kept is None or key not in kept:
        kept = _runs[model] = {key: new_run(model, flat, structure, fixed_masks, as_one)}
    return kept[key]


def constant_rates(model: Any) -> tuple[Any, ...]:
    """Return which layers of a model have a rate, and what a traced function makes constants of."""
    return tuple((id(s.layer), s.attribute, s.ours or s.rate) for s in noise_sources(model))


def new_run(
    model: Any, flat: list[np.ndarray], structure: Any, fixed_masks: bool, as_one: bool
) -> CompiledRun:
    """Return the compiled parts of a model, in which the sources draw that have a rate now."""
    run = CompiledRun(model, structure, fixed_masks, as_one)
    run.model.find_rows([x.shape for x in flat], [_dtype(x) for x in flat])
    return run
