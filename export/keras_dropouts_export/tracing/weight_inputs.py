"""Makes weights of a model inputs of its traced function, so that they stay out of the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts_export.tracing.signature import Signature, unique_names

Forward = Callable[[list[Any]], Any]


def with_weight_inputs(signature: Signature, weights: Sequence[Any]) -> Signature:
    """Return a signature with Keras variables as more inputs, called by their paths."""
    specs = [
        tf.TensorSpec(each.shape, each.dtype, name=f"weight_{i}") for i, each in enumerate(weights)
    ]
    names = unique_names([each.path for each in weights], signature.names)
    return replace(signature, specs=signature.specs + specs, names=signature.names + names)


@contextmanager
def in_place_of(weights: Sequence[Any], values: Sequence[Any]) -> Iterator[None]:
    """Read `values` where a Keras layer reads its variables `weights`."""
    if not weights:
        yield
        return
    with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
        yield


def taking_weights(forward: Forward, weights: Sequence[Any]) -> Forward:
    """Return `forward` with the values of `weights` as more inputs, after its own."""

    def call(inputs: list[Any]) -> Any:
        own = len(inputs) - len(weights)
        with in_place_of(weights, inputs[own:]):
            return forward(inputs[:own])

    return call
