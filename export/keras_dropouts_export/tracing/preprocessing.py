"""Makes preprocessing layers traceable: they draw nothing and look up constants of the graph."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.preprocessing import (
    BaseImagePreprocessingLayer,
    IndexLookup,
)
from keras_dropouts.types import Tensor


@contextmanager
def plain_preprocessing(model: keras.Model) -> Iterator[None]:
    """Trace `model` inside this, and its preprocessing layers leave nothing but plain operations.

    Some augmentation layers of Keras draw a transformation at inference and then do not use it
    (RandomHue, RandomSharpness, MixUp and others): they get none. Tables of integers become
    constants of the graph: a table of TensorFlow lives outside it, and ONNX has no such thing.
    """
    with ExitStack() as stack:
        for layer in parts(model):
            if isinstance(layer, BaseImagePreprocessingLayer):
                stack.enter_context(_without_draws(layer))
            if isinstance(layer, IndexLookup) and not _has_strings(layer):
                stack.enter_context(_instead(layer, "lookup_table", _Table(layer.lookup_table)))
        yield


class _Drawn(Exception):
    """A random number was asked for."""


@contextmanager
def _without_draws(layer: Any) -> Iterator[None]:
    original = layer.get_random_transformation
    draw, thread = keras.random.SeedGenerator.next, threading.get_ident()

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:  # which may train its own model meanwhile
            return draw(*args, **kwargs)
        raise _Drawn

    def transformation(*args: Any, **kwargs: Any) -> Any:
        with _instead(keras.random.SeedGenerator, "next", refuse):
            try:
                return original(*args, **kwargs)
            except _Drawn:
                return None

    with _instead(layer, "get_random_transformation", transformation):
        yield


@contextmanager
def _instead(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Put `value` in place of an attribute, past the tracking of a layer's attributes."""
    own = name in vars(holder)
    before = vars(holder).get(name)
    put = type.__setattr__ if isinstance(holder, type) else object.__setattr__
    put(holder, name, value)
    try:
        yield
    finally:
        if own:
            put(holder, name, before)
        else:
            del holder.__dict__[name]


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
