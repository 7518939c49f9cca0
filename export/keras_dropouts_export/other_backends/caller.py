"""Asks the process that handed a model on what the model predicts there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dropouts_export.monte_carlo.reduced_samples import reduced
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Caller:
    """The process whose model this one exports.

    backend: on which Keras runs there; ask: of a method of `OwnModel` and its arguments, what it
    returns there.
    """

    backend: str
    ask: Callable[..., list[np.ndarray]]

    def predicting(self, plain: InferenceFunction) -> InferenceFunction:
        """Return the inference function of the model, which knows what the caller's predicts."""

        def elsewhere(inputs: Arrays) -> Arrays:
            made = self.ask("predict", [inputs[each.name] for each in plain.inputs])
            return {each.name: x for each, x in zip(plain.own_outputs, made, strict=True)}

        return replace(plain, elsewhere=elsewhere, backend_elsewhere=self.backend)

    def sampling(self, sampled: InferenceFunction, sampling: MonteCarlo) -> InferenceFunction:
        """Return the function of Monte-Carlo samples, which knows what the caller's samples are."""

        def elsewhere(inputs: Arrays) -> Arrays:
            *arrays, seeds = [inputs[each.name] for each in sampled.inputs]
            drawn = self.ask("sample", arrays, seeds, sampling)
            made: list[Any] = [
                x
                for samples in drawn
                for x in reduced(tf.convert_to_tensor(samples), sampling).values()
            ]
            return {each.name: x.numpy() for each, x in zip(sampled.own_outputs, made, strict=True)}

        if not sampling.seeded:
            return sampled
        return replace(sampled, elsewhere=elsewhere, backend_elsewhere=self.backend)
