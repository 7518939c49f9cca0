"""Knows the attributes of Keras's layers and recurrent cells that dropout depends on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.types import Layer

# A dot leads into a part of the layer. Attention layers hand their rate to a dropout layer of
# their own when they are built. Since Keras 3.3.
MULTI_HEAD_ATTENTION = ("_dropout", "_dropout_layer.rate")
GROUP_QUERY_ATTENTION = ("dropout", "_dropout_layer.rate")

# A rate by which nothing is ever dropped, though it is above 0: in float32, the most precise dtype
# of the numbers that Keras compares it with, it is 0.
NEVER = sys.float_info.min

_MADE_WITHOUT = (
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Attention,
)

# Where such a cell keeps its dropout masks between the time steps of one call, since Keras 3.7.
CELL_MASKS = ("_dropout_mask", "_recurrent_dropout_mask")


def lacks_seed_generator(layer: Any) -> bool:
    """Return whether a layer of Keras was made with a rate of 0, and so without what it draws by.

    Layers of these classes have `seed` always and `seed_generator` where the rate is above 0, since
    Keras 3.0.
    """
    return isinstance(layer, _MADE_WITHOUT) and getattr(layer, "seed_generator", None) is None


def off(layer: Any, name: str) -> float:
    """Return what an attribute of a layer of Keras that holds a rate is to be for a rate of 0.

    Attention with a rate above 0 computes in another way than attention without, at inference too,
    and the two differ for a query that sees no key: one gives 0, the other the mean of all values.
    So attention that had a rate stays above 0, and on its way, also when it is saved and loaded.
    Relies on `_compute_attention` of the two, which asks so in Keras 3.10 to 3.15.
    """
    asked = MULTI_HEAD_ATTENTION + GROUP_QUERY_ATTENTION
    attends = isinstance(layer, keras.layers.MultiHeadAttention | keras.layers.GroupQueryAttention)
    return NEVER if attends and name in asked and getattr(layer, name, 0.0) > 0.0 else 0.0


def is_dropout_cell(layer: Any) -> bool:
    """Return whether a layer is a recurrent cell that drops by Keras's own helper class.

    ConvLSTM's cells are not public, and cells of users mix the same helper in. Relies on
    `DropoutRNNCell.get_dropout_mask`, since Keras 3.0.
    """
    return hasattr(layer, "get_dropout_mask")


def step_by_step(layers: Iterable[Layer]) -> AbstractContextManager[None]:
    """Let recurrent layers among `layers` call their cells for each time step inside this block.

    An LSTM or GRU otherwise hands the whole sequence to one operation of the backend, which asks
    whether the layer trains and not whether its cell does: PyTorch's own since Keras 3.14, and
    cuDNN's. Relies on `use_cudnn`, since Keras 3.0.
    """
    return overlaid_in_thread(
        (layer, "use_cudnn", False)
        for layer in layers
        if isinstance(layer, keras.layers.RNN) and hasattr(layer, "use_cudnn")
    )


def gates_at_once(layer: Layer) -> AbstractContextManager[None]:
    """Let recurrent cells in a layer or model compute all gates in one product inside this block.

    Keras sets `implementation` to 1 where a cell drops its state, since Keras 3.0, as each gate has
    a mask of its own then. Without dropout both implementations are the same function.
    """
    return overlaid_in_thread(
        (part, "implementation", 2)
        for part in parts(layer)
        if is_dropout_cell(part) and hasattr(part, "implementation")
    )
