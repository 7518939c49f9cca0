"""Predicts with the user's own model, in the user's own process and on the backend there."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.monte_carlo.sampled_model import SampledModel
from keras_dropouts.noise.sampler import Sampler, words_of
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
        signature, model = self.signature, self.model
        specs = signature.specs
        as_one = len({spec.shape[0] for spec in specs}) > 1
        split = SampledModel(model, lambda flat: signature.call(model, flat), len(specs), as_one)
        shapes = [spec.shape.as_list() for spec in specs]
        split.find_rows(shapes, [spec.dtype.name for spec in specs], same_rows=False)
        known, padding_masks = split.deterministic(tensors_of(signature, arrays))
        words = ops.convert_to_tensor(words_of(seeds))
        size = min(sampling.chunk_size or sampling.samples, sampling.samples)
        chunks = []
        for start in range(0, sampling.samples, size):
            first = ops.convert_to_tensor(start, "int32")
            count = min(size, sampling.samples - start)
            sampler = Sampler(words, first, count, sampling.fixed_masks)
            made = split.stochastic(known, padding_masks, sampler)
            chunks.append([np.asarray(ops.convert_to_numpy(x)) for x in made])
        return [np.concatenate(each, axis=1) for each in zip(*chunks, strict=True)]
