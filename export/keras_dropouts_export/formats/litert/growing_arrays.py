"""Replaces TensorFlow's arrays of tensors by one growing tensor, as LiteRT has no lists of tensors.

TensorFlow's converter turns lists into tensors only where each element has a static shape. In a
recurrent layer with a dynamic batch none has. LiteRT's loops do not carry empty tensors, so the
first turn of a loop that fills an array stands before the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from keras_dropouts.types import Tensor


class GrowingArray(NamedTuple):
    """Stands for a `tf.TensorArray` that is written from its first element to its last.

    value: the elements so far, stacked; None where there are none.
    """

    value: Any

    def unstack(self, value: Tensor, name: str | None = None) -> GrowingArray:
        """Return an array that holds the rows of a tensor."""
        return GrowingArray(tf.convert_to_tensor(value))

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """Return one element."""
        return tf.gather(self.value, index)

    def write(self, index: Any, value: Tensor, name: str | None = None) -> GrowingArray:
        """Return an array with one element more; index 0, as a Python integer, begins it anew."""
        row = tf.convert_to_tensor(value)[tf.newaxis]
        if self.value is None or (isinstance(index, int) and index == 0):
            return GrowingArray(row)
        return GrowingArray(tf.concat([self.value, row], axis=0))

    def stack(self, name: str | None = None) -> Tensor:
        """Return all elements as one tensor."""
        return self.value

    def size(self, name: str | None = None) -> Tensor:
        """Return the number of elements."""
        return tf.shape(self.value)[0]


def growing_array(_: Any) -> Callable[..., GrowingArray]:
    """Return what is called in place of `tf.TensorArray`."""

    def make(dtype: Any, *args: Any, **kwargs: Any) -> GrowingArray:
        return GrowingArray(None)

    return make


def peeled_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is called in place of `tf.while_loop`.

    A loop that begins with arrays without elements runs its first turn before the loop itself;
    every such loop of Keras has one.
    """

    def while_loop(
        cond: Any, body: Any, loop_vars: Any, shape_invariants: Any = None, **kwargs: Any
    ) -> Any:
        if all(each is not None for each in tf.nest.flatten(loop_vars)):
            return original(cond, body, loop_vars, shape_invariants, **kwargs)
        first = tuple(body(*loop_vars))
        if kwargs.get("maximum_iterations") is not None:
            kwargs["maximum_iterations"] -= 1
        return original(cond, body, first, _shapes(first), **kwargs)

    return while_loop


def _shapes(value: Any) -> Any:
    """Return the shapes that stay the same over the turns of a loop."""
    if isinstance(value, GrowingArray):
        return GrowingArray(tf.TensorShape([None, *value.value.shape[1:]]))
    if isinstance(value, (list, tuple)):
        return type(value)(_shapes(each) for each in value)
    return tf.convert_to_tensor(value).shape


def looped_map(_: Any) -> Callable[..., Any]:
    """Return what is called in place of `tf.vectorized_map`, which leaves lists in the graph."""

    def vectorized_map(fn: Callable[[Any], Any], elems: Any, *args: Any, **kwargs: Any) -> Any:
        rows = tf.nest.flatten(elems)[0]
        count = tf.shape(rows)[0]
        structure: list[Any] = []

        def body(i: Any, *arrays: GrowingArray) -> Any:
            made = fn(tf.nest.map_structure(lambda x: tf.gather(x, i), elems))
            structure.append(made)
            values = tf.nest.flatten(made)
            arrays = arrays or tuple(GrowingArray(None) for _ in values)
            written = [array.write(i, x) for array, x in zip(arrays, values, strict=True)]
            return (i + 1, *written)

        first = tuple(body(tf.constant(0)))  # it tells how many arrays there are
        _, *arrays = tf.while_loop(lambda i, *_: i < count, body, first, _shapes(first))
        outputs = [array.stack() for array in arrays]
        for each in outputs:
            each.set_shape([rows.shape[0], *each.shape[1:]])
        return tf.nest.pack_sequence_as(structure[0], outputs)

    return vectorized_map
