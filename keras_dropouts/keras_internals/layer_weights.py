"""Lets a Keras layer compute with other tensors in place of its weights, for the time of a call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras

from keras_dropouts.keras_internals.patching import with_attributes
from keras_dropouts.keras_internals.versions import private, unsupported
from keras_dropouts.types import Layer, Tensor

# Dense, EinsumDense and the convolutions have `_kernel` behind their property `kernel`.
_KERNELS = ("_kernel", "kernel", "depthwise_kernel", "pointwise_kernel")


def kernels(layer: Layer) -> dict[str, Any]:
    """Return the kernels of a built layer by the names of the attributes that hold them.

    Relies on `_kernel` of Dense, EinsumDense and the convolutions, since Keras 3.3.

    Raises:
        RuntimeError: if the layer has none under a name that is known.
    """
    own = vars(layer)
    found = {name: own[name] for name in _KERNELS if isinstance(own.get(name), keras.Variable)}
    if not found:
        raise unsupported(f"`kernels` needs `{type(layer).__name__}._kernel`")
    return found


def kernel(layer: Layer) -> Any:
    """Return the kernel of a Dense layer or a convolution as a variable.

    Relies on `_kernel` of these layers, since Keras 3.3.
    """
    return private(layer, "_kernel", "kernel")


def with_kernel(layer: Layer, value: Tensor, **attributes: Any) -> AbstractContextManager[None]:
    """Let a Dense layer or a convolution compute with another kernel inside this block.

    attributes: others to replace with it. Relies on `_kernel` of these layers, since Keras 3.3.
    """
    private(layer, "_kernel", "with_kernel")
    return with_attributes(layer, _kernel=value, **attributes)


def output_projection(layer: Layer) -> Callable[[Tensor], Tensor]:
    """Return what brings together the outputs of the heads of a built attention layer.

    It takes a tensor (batch, ..., heads, head size). Relies on `_output_dense` of
    MultiHeadAttention and GroupQueryAttention, since Keras 3.0.
    """
    return private(layer, "_output_dense", "output_projection")


def with_output_projection(
    layer: Layer, project: Callable[[Tensor], Tensor]
) -> AbstractContextManager[None]:
    """Let an attention layer bring together the outputs of its heads otherwise inside this block.

    Relies on what `output_projection` relies on.
    """
    return with_attributes(layer, _output_dense=project)


def with_recurrent_mask(cell: Any, mask: Any) -> AbstractContextManager[None]:
    """Let a recurrent cell of Keras drop its state by a given dropout mask inside this block.

    mask: what the state is multiplied by, or a list with one for each gate. Relies on the cell
    taking a mask that is there already from `_recurrent_dropout_mask`, since Keras 3.7; on its
    rate, which only has to be neither 0 nor 1; and on its first implementation, the one that masks
    what meets the recurrent weights.
    """
    private(cell, "get_recurrent_dropout_mask", "with_recurrent_mask")
    return with_attributes(
        cell, recurrent_dropout=0.5, implementation=1, _recurrent_dropout_mask=mask
    )
