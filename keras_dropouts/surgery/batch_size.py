"""Tells whether a model keeps a batch size that it does not need."""

from __future__ import annotations

import keras

from keras_dropouts.keras_internals.graphs import graph_of
from keras_dropouts.keras_internals.layers import compute_output_spec, takes_training
from keras_dropouts.keras_internals.patching import restored_after_calls
from keras_dropouts.types import Tensor


def keeps_needless_batch_size(model: keras.Model) -> bool:
    """Return whether a model has one batch size in its input and works with others.

    A Sequential model without `Input` keeps the batch size of its first call. One that depends on
    its batch size, such as one with a stateful recurrent layer, fails when it is called
    symbolically with one row more.
    """
    graph = graph_of(model) if isinstance(model, keras.Sequential) else None
    if graph is None or graph.inputs[0].shape[0] is None:
        return False
    given = graph.inputs[0]
    more_rows = keras.KerasTensor((given.shape[0] + 1, *given.shape[1:]), dtype=given.dtype)
    arguments = {"training": False} if takes_training(model) else {}

    def call(x: Tensor) -> Tensor:
        return model(x, **arguments)

    with restored_after_calls(model):
        try:
            compute_output_spec(call, more_rows)
        except Exception:  # noqa: BLE001  (whatever a user's own `call` raises)
            return False
    return True
