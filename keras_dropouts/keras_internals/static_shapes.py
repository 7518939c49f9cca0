"""Keeps what is known of the shapes of tensors while a graph is traced."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
from keras import ops

from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.keras_internals.versions import first_of
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


def shapes_of_scans() -> AbstractContextManager[None]:
    """Call models inside this, and what `keras.ops.associative_scan` returns has the shapes it has.

    In a graph of TensorFlow they are lost, and Keras's next operation may ask for them. Relies on
    `associative_scan` of `keras.src.backend.core`, since Keras 3.5.
    """

    def known(original: Callable[..., Any]) -> Callable[..., Any]:
        def scan(function: Any, elems: Any, *args: Any, **kwargs: Any) -> Any:
            def told(scanned: Any, given: Any) -> Any:
                if hasattr(scanned, "set_shape"):  # a tensor of TensorFlow
                    scanned.set_shape(given.shape)
                return scanned

            result = original(function, elems, *args, **kwargs)
            return keras.tree.map_structure(told, result, elems)

        return scan

    core = first_of("shapes_of_scans", "keras.src.backend:core")
    return replaced_in_thread(core, "associative_scan", known)
