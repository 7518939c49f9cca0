"""Computes the deterministic part of a model once, and draws samples as often as rates change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_dropouts.monte_carlo.batches import Batches
from keras_dropouts.monte_carlo.collected import Samples, together
from keras_dropouts.monte_carlo.compiled_run import CompiledRun, constant_rates, new_run
from keras_dropouts.monte_carlo.inputs import errors_of_users
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.noise.row_seeds import row_seeds


@dataclass(frozen=True)
class _Batch:
    """Inputs of one batch, what the deterministic part made of them, and the rows' seeds."""

    flat: list[np.ndarray]
    prepared: Any
    seeds: np.ndarray
    chunk: int


class PreparedSamples:
    """Monte-Carlo samples of a model for some data, to be drawn again whenever rates have changed.

    Sources that have a rate above 0 when it is made are those that may draw; what comes before the
    first of them is computed then, and never again. The masks are those of `mc_predict` with the
    same seed, so they differ from rate to rate by nothing but the rate.

    Args:
        model: A built model in which something drops.
        x: Its inputs, as `mc_predict` takes them.
        samples: T, an integer above 0.
        seed: The seed of the masks, an integer of 64 bits.
        batch_size: Rows that run together, an integer above 0, or None.

    Raises:
        ValueError: if `x` does not fit the model.
    """

    def __init__(
        self, model: keras.Model, x: Any, samples: int, seed: int, batch_size: int | None
    ) -> None:
        self._model, self._samples, self._seed = model, samples, seed
        self._runs: dict[str, CompiledRun] = {}
        self._batches: list[tuple[CompiledRun, _Batch]] = []
        self.rows = 0
        batches = Batches(model, x, batch_size)
        for flat, structure in batches:
            rows = 1 if batches.as_one else len(flat[0])
            with errors_of_users(model, flat):
                if repr(structure) not in self._runs:
                    run = new_run(model, flat, structure, False, batches.as_one)
                    self._runs[repr(structure)] = run
                run = self._runs[repr(structure)]
                prepared = run.prepared(flat)
            seeds = row_seeds(seed, rows, self.rows)
            chunk = min(samples, run.chunk_size(rows))
            self._batches.append((run, _Batch(flat, prepared, seeds, chunk)))
            self.rows += rows
        self._constants = constant_rates(model)

    def draw(self) -> MonteCarloPrediction:
        """Return the prediction at the present rates."""
        constants = constant_rates(self._model)
        if constants != self._constants:
            self._constants = constants
            for run in self._runs.values():
                run.forget_rates()
        made = []
        for run, batch in self._batches:
            collected = Samples()
            with errors_of_users(self._model, batch.flat):
                for outputs in run.chunks_of(
                    batch.prepared, batch.seeds, self._samples, batch.chunk
                ):
                    collected.add(outputs)
            made.append(collected.result())
        return together(made, self._batches[-1][0].structure, self._seed, None)
