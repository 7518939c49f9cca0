"""Keeps what is known of the shapes of tensors while a graph is traced."""

from __future__ import annotations

from keras import ops

from keras_dropouts.types import Tensor


def repeated_rows(x: Tensor, count: int) -> Tensor:
    """Return `x` with each row of its first axis `count` times, one after the other.

    Before Keras 3.13 the shape that `ops.tile` returns in a graph of TensorFlow is not known.
    """
    tiled = ops.tile(x[:, None], (1, count, *(1 for _ in x.shape[1:])))
    rest = tuple(ops.shape(x))[1:]
    repeated = ops.reshape(tiled, (-1, *rest))
    if hasattr(repeated, "set_shape"):  # a tensor of TensorFlow
        rows = None if x.shape[0] is None else x.shape[0] * count
        repeated.set_shape((rows, *x.shape[1:]))
    return repeated
