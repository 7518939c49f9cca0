"""Tells by a trial whether a layer returns its input as it is once its noise is off."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_dropouts.keras_internals.graphs import inbound_nodes
from keras_dropouts.keras_internals.layers import takes_training
from keras_dropouts.keras_internals.patching import restored_after_calls
from keras_dropouts.surgery.rates import rates_off
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts.types import Layer, Tensor

_UNKNOWN_SIZE = 5  # that an unknown dimension is taken for


def returns_its_input(layer: Layer) -> bool:
    """Return whether a layer, with its rates at 0, returns random input to the last bit.

    It is called eagerly on input like that of each of its places in graphs; what it assigns to
    variables meanwhile is dropped. A layer that cannot be called so does not count.
    """
    others = [source for source in noise_sources(layer) if not source.ours]
    arguments = {"training": False} if takes_training(layer) else {}
    tensors = [node.input_tensors for node in inbound_nodes(layer)]
    if not all(len(each) == 1 for each in tensors):
        return False
    with restored_after_calls(layer), rates_off(others), keras.StatelessScope():
        try:
            return all(
                _unchanged(x, layer(x, **arguments)) for x in [_like(each[0]) for each in tensors]
            )
        except Exception:  # noqa: BLE001  (whatever a user's own `call` raises)
            return False


def _like(symbolic: keras.KerasTensor) -> Tensor:
    shape = [size or _UNKNOWN_SIZE for size in symbolic.shape]
    return ops.convert_to_tensor(np.random.default_rng(0).normal(size=shape), symbolic.dtype)


def _unchanged(x: Tensor, y: Tensor) -> bool:
    same_kind = ops.is_tensor(y) and x.dtype == y.dtype and tuple(x.shape) == tuple(y.shape)
    return same_kind and bool(ops.convert_to_numpy(ops.all(ops.equal(x, y))))
