"""Traces a function again in the form that LiteRT can hold: no lists, no 16-bit floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from keras_dropouts.keras_internals.dtypes import computing_in
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts_export.formats.litert.growing_arrays import (
    growing_array,
    looped_map,
    peeled_loop,
)
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_NARROW = ("bfloat16", "float16")


def litert_function(function: InferenceFunction) -> InferenceFunction:
    """Return `function` in a form that TensorFlow's converter can write with builtin operations.

    Lists of tensors become tensors, new axes are added by operations of their own, and layers that
    compute in 16-bit floats compute in float32, as most of LiteRT's operations have no others.
    """
    if function.retrace is None:
        return function
    narrow = [each for each in parts(function.model) if each.compute_dtype in _NARROW]
    with _without_lists(), computing_in(narrow, "float32"):
        return function.retrace(())


@contextmanager
def _without_lists() -> Iterator[None]:
    with (
        replaced_in_thread(tf, "TensorArray", growing_array),
        replaced_in_thread(tf, "while_loop", peeled_loop),
        replaced_in_thread(tf, "vectorized_map", looped_map),
        replaced_in_thread(tf.Tensor, "__getitem__", _expanding_slice),
    ):
        yield


def _expanding_slice(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is called in place of `tf.Tensor.__getitem__`.

    `x[None, :, None]` becomes `tf.expand_dims`: a slice with new axes is converted only where at
    most one dimension is dynamic.
    """

    def getitem(tensor: Any, key: Any, *args: Any) -> Any:
        parts_of_key = key if isinstance(key, tuple) else (key,)
        rest = tuple(each for each in parts_of_key if each is not None)
        plain = all(each is Ellipsis or isinstance(each, slice) for each in rest)
        if len(rest) == len(parts_of_key) or not plain or tensor.shape.rank is None:
            return original(tensor, key, *args)
        if any(each not in (Ellipsis, slice(None)) for each in rest):
            tensor = original(tensor, rest)
        for axis in _new_axes(parts_of_key, tensor.shape.rank - len(rest)):
            tensor = tf.expand_dims(tensor, axis)
        return tensor

    return getitem


def _new_axes(key: tuple[Any, ...], missing: int) -> list[int]:
    """Return the axes that a key of slices adds; an ellipsis stands for `missing` + 1 axes."""
    axes, axis = [], 0
    for each in key:
        if each is None:
            axes.append(axis)
        axis += missing + 1 if each is Ellipsis else 1
    return axes
