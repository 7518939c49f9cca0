"""Reduces samples inside an artifact: their mean, standard deviation and entropies."""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from keras_dropouts.entropy import entropy
from keras_dropouts.types import Tensor
from keras_dropouts_export.options import MonteCarlo


def reduced(samples: Tensor, sampling: MonteCarlo) -> dict[str, Tensor]:
    """Return the outputs that stand for one output of the model, by the ending of their names.

    `mean` and `std` (divided by the number of samples), or `samples`; with `uncertainty` also
    `entropy`, `expected_entropy` and `mutual_information` in nats, which
    `keras_dropouts.MonteCarloPrediction` has, too. `samples` is of shape (batch, samples, ...).
    """
    wide = samples.dtype if samples.dtype == tf.float64 else tf.float32
    numbers = tf.cast(samples, wide)
    kept = tf.reduce_mean(numbers, axis=1, keepdims=True)
    mean = tf.squeeze(kept, axis=1)
    found = {}
    if sampling.reduce is None:
        found["samples"] = samples
    else:
        found["mean"] = mean
        found["std"] = tf.sqrt(tf.reduce_mean(tf.square(numbers - kept), axis=1))
    if sampling.uncertainty:
        found["entropy"] = entropy(mean, ops)
        found["expected_entropy"] = tf.reduce_mean(entropy(numbers, ops), axis=1)
        difference = found["entropy"] - found["expected_entropy"]
        found["mutual_information"] = tf.maximum(difference, tf.zeros((), wide))
    narrow = samples.dtype if samples.dtype.is_floating else wide
    return {name: x if name == "samples" else tf.cast(x, narrow) for name, x in found.items()}
