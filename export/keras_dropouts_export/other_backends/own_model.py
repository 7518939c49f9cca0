"""Predicts with the user's own model, in the user's own process and on the backend there."""

from __future__ import annotations

import functools
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.monte_carlo.sampled_model import SampledModel
from keras_dropouts.noise.sampler import Sampler, words_of
from keras_dropouts.types import Tensor
from keras_dropouts_export.errors import Stage
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.predictions import predicted, tensors_of
from keras_dropouts_export.tracing.signature import Signature


class OwnModel:
    """What the process on TensorFlow may ask of the model that it was handed."""

    def __init__(self, model: keras.Model, signature: Signature) -> None:
        self.model, self.signature = model, signature

    def answer(self, what: str, *arguments: Any) -> list[np.ndarray]:
        """Return what the method of that name returns.

        Raises:
            ExportError: if the model cannot be called on what is asked for.
        """
        backend = keras.backend.backend()
        doing = f"Model {self.model.name!r} cannot be run on {backend!r}, to be compared with"
        with Stage(doing, self.model.name), backends.full_precision():
            found: list[np.ndarray] = getattr(self, what)(*arguments)
        return found

    def predict(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return the flat outputs at inference, every noise source off, for flat inputs."""
        return predicted(self.model, self.signature, arrays)

    def sample(
        self, arrays: list[np.ndarray], seeds: np.ndarray, sampling: MonteCarlo
    ) -> list[np.ndarray]:
        """Return the Monte-Carlo samples of the flat outputs, each (rows, samples, ...).

        seeds: of the rows, int64, as `row_seeds` of `keras_dropouts.mc_predict`.
        """
        deterministic, stochastic = self._compiled(sampling.fixed_masks)
        known, padding_masks = deterministic(tensors_of(self.signature, arrays))
        words = ops.convert_to_tensor(words_of(seeds))
        size = min(sampling.chunk_size or sampling.samples, sampling.samples)
        chunks = []
        for start in range(0, sampling.samples, size):
            first = ops.convert_to_tensor(start, "int32")
            count = min(size, sampling.samples - start)
            made = stochastic(count)(known, padding_masks, words, first)
            chunks.append([np.asarray(ops.convert_to_numpy(x)) for x in made])
        return [np.concatenate(each, axis=1) for each in zip(*chunks, strict=True)]

    @functools.cache  # noqa: B019  (it lives as long as one export)
    def _compiled(self, fixed_masks: bool) -> tuple[Any, Any]:
        """Return the two parts of the model, compiled; the second for a number of samples."""
        signature, held = self.signature, weakref.ref(self.model)
        specs = signature.specs
        as_one = len({spec.shape[0] for spec in specs}) > 1

        def call(flat: list[Tensor]) -> Any:
            there: Any = held()
            return signature.call(there, flat)

        split = SampledModel(self.model, call, len(specs), as_one)
        shapes = [spec.shape.as_list() for spec in specs]
        split.find_rows(shapes, [spec.dtype.name for spec in specs], same_rows=False)

        def draw(count: int, known: Any, masks: Any, words: Tensor, first: Tensor) -> list[Tensor]:
            return split.stochastic(known, masks, Sampler(words, first, count, fixed_masks))

        return (
            backends.compiled(split.deterministic, held),
            functools.cache(lambda count: backends.compiled(functools.partial(draw, count), held)),
        )
