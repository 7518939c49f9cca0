"""Repeats tensors without losing what is known of their shapes while a graph is traced."""

from __future__ import annotations

from keras import ops

from keras_dropouts.types import Tensor


def tiled_rows(x: Tensor, count: int) -> Tensor:
    """Return `x` repeated `count` times along its first axis.

    Before Keras 3.13 the shape that `ops.tile` returns in a graph of TensorFlow is not known.
    """
    tiled = ops.tile(x, (count, *(1 for _ in x.shape[1:])))
    if hasattr(tiled, "set_shape"):  # a tensor of TensorFlow
        tiled.set_shape((tiled.shape[0], *x.shape[1:]))
    return tiled
