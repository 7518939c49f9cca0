"""Makes preprocessing layers traceable: they draw nothing and look up constants of the graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.keras_internals.preprocessing import (
    BaseImagePreprocessingLayer,
    IndexLookup,
)
from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.types import Tensor

_TRANSFORM = "get_random_transformation"


def no_unused_draws(model: keras.Model) -> AbstractContextManager[None]:
    """Call `model` inside this, and no augmentation layer draws numbers that it does not use.

    Some layers of Keras draw a transformation at inference and then ignore it (RandomHue,
    RandomSharpness, MixUp and others): they get none. Other threads see nothing of this.
    """
    return overlaid_in_thread(
        (layer, _TRANSFORM, _without_draws(getattr(layer, _TRANSFORM)))
        for layer in parts(model)
        if isinstance(layer, BaseImagePreprocessingLayer)
    )


def tables_as_constants(model: keras.Model) -> AbstractContextManager[None]:
    """Trace `model` inside this, and lookup tables of integers become constants of the graph.

    A table of TensorFlow lives outside the graph, and ONNX has no such thing. Other threads see
    nothing of this.
    """
    return overlaid_in_thread(
        (layer, "lookup_table", _Table(layer.lookup_table))
        for layer in parts(model)
        if isinstance(layer, IndexLookup) and not _has_strings(layer)
    )


class _Drawn(Exception):
    """A random number was asked for."""


def _without_draws(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function like `get_random_transformation` that returns None where it would draw."""

    def refuse(_: Any) -> Any:
        def refused(*args: Any, **kwargs: Any) -> Any:
            raise _Drawn

        return refused

    def transformation(*args: Any, **kwargs: Any) -> Any:
        with replaced_in_thread(keras.random.SeedGenerator, "next", refuse):
            try:
                return original(*args, **kwargs)
            except _Drawn:
                return None

    return transformation


def _has_strings(layer: IndexLookup) -> bool:
    table = layer.lookup_table
    return tf.string in (table.key_dtype, table.value_dtype)


class _Table:
    """A table of integers as operations on constants."""

    def __init__(self, table: Any) -> None:
        keys, values = (each.numpy() for each in table.export())
        order = np.argsort(keys, kind="stable")
        self.keys, self.values = keys[order], values[order]
        self.default = np.array(table._default_value)

    def size(self) -> Tensor:
        """Return the number of keys."""
        return tf.constant(len(self.keys), tf.int64)

    def lookup(self, inputs: Tensor) -> Tensor:
        """Return the value of each key, the default where there is none."""
        default = tf.constant(self.default, self.values.dtype)
        if not len(self.keys):
            return tf.fill(tf.shape(inputs), default)
        flat = tf.reshape(tf.cast(inputs, self.keys.dtype), [-1])
        place = tf.minimum(tf.searchsorted(self.keys, flat), len(self.keys) - 1)
        found = tf.equal(tf.gather(self.keys, place), flat)
        values = tf.where(found, tf.gather(self.values, place), default)
        return tf.reshape(values, tf.shape(inputs))
