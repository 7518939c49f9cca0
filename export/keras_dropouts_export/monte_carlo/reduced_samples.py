"""What an artifact tells of its samples: mean, standard deviation, entropies."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.tracing.inference_function import InferenceFunction

Tensor = Any


def reduced(samples: Tensor, reduce: str | None, uncertainty: bool) -> dict[str, Tensor]:
    """Return what an output becomes: name ending -> tensor; samples are (samples, batch, ...).

    mean and std (divided by the number of samples), or samples; with `uncertainty` also entropy,
    expected_entropy and mutual_information in nats, as `keras_dropouts.MonteCarloPrediction` has
    them.
    """
    wide = samples.dtype if samples.dtype == tf.float64 else tf.float32
    numbers = tf.cast(samples, wide)
    mean = tf.reduce_mean(numbers, axis=0)
    found = {}
    if reduce is None:
        found["samples"] = samples
    else:
        found["mean"] = mean
        found["std"] = tf.sqrt(tf.reduce_mean(tf.square(numbers - mean), axis=0))
    if uncertainty:
        found["entropy"] = _entropy(mean)
        found["expected_entropy"] = tf.reduce_mean(_entropy(numbers), axis=0)
        difference = found["entropy"] - found["expected_entropy"]
        found["mutual_information"] = tf.maximum(difference, tf.zeros((), wide))
    narrow = samples.dtype if samples.dtype.is_floating else wide
    return {name: x if name == "samples" else tf.cast(x, narrow) for name, x in found.items()}


def _entropy(probabilities: Tensor) -> Tensor:
    p = probabilities
    if p.shape[-1] == 1:
        p = tf.concat([p, 1.0 - p], axis=-1)
    logs = tf.math.log(tf.where(p > 0.0, p, tf.ones_like(p)))
    return -tf.reduce_sum(p * logs, axis=-1)


def check_probabilities(function: InferenceFunction) -> None:
    """Raise a clear error where an output of a model is not class probabilities."""
    inputs = next(trial_inputs(function))[1]
    for name, values in function(inputs).items():
        numbers = values.astype("float64")
        sums = numbers.sum(axis=-1) if numbers.ndim > 1 else numbers
        one_unit = numbers.ndim > 1 and numbers.shape[-1] == 1
        inside = (numbers >= 0.0).all() and (numbers <= 1.001).all()
        if numbers.ndim < 2 or not inside or not (one_unit or (abs(sums - 1.0) < 1e-2).all()):
            raise invalid(
                "uncertainty",
                "False where an output is not class probabilities along its last axis",
                True,
                f"Output {name!r} is not; give the model a softmax or sigmoid.",
            )
