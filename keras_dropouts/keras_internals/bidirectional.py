"""Runs the two layers of Keras's Bidirectional otherwise, or puts others in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import children, unlocked
from keras_dropouts.keras_internals.patching import with_attributes
from keras_dropouts.keras_internals.versions import private
from keras_dropouts.types import Layer, Tensor

_DIRECTIONS = ("forward_layer", "backward_layer")


def directions(layer: Layer) -> list[Any]:
    """Return the forward and the backward layer of a Bidirectional, or the layer itself.

    Relies on their names, since Keras 3.0.
    """
    if not isinstance(layer, keras.layers.Bidirectional):
        return [layer]
    return [private(layer, name, "directions") for name in _DIRECTIONS]


def call_directions(
    layer: Layer, calls: Sequence[Callable[..., Tensor]], inputs: Tensor, **arguments: Any
) -> Tensor:
    """Call a layer whose `directions` compute by other functions, one for each.

    Bidirectional calls a layer with the inputs and with keyword arguments that are among
    `initial_state`, `mask` and `training`; it asks for attributes of the layer, too. Since 3.0.
    """
    if len(calls) == 1:
        return calls[0](inputs, **arguments)
    pairs = zip(_DIRECTIONS, directions(layer), calls, strict=True)
    stand_ins = {name: _Direction(each, call) for name, each, call in pairs}
    with with_attributes(layer, **stand_ins):
        return layer.call(inputs, **arguments)


class _Direction:
    """Has the attributes of a layer, but is no recurrent layer, for which Keras has kernels."""

    def __init__(self, layer: Any, call: Callable[..., Tensor]) -> None:
        self._layer, self._call = layer, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def __call__(self, inputs: Tensor, **arguments: Any) -> Tensor:
        return self._call(inputs, **arguments)


def put_directions(layer: Layer, new: Sequence[Layer]) -> None:
    """Put other layers in the place of both of a Bidirectional that has not been called yet.

    Its constructor takes layers, too, but copies the first from its config, under another name.
    Relies on `Layer._layers`, since Keras 3.0.
    """
    with unlocked(layer):
        for name, old, each in zip(_DIRECTIONS, directions(layer), new, strict=True):
            held = children(layer)
            held[:] = [child for child in held if child is not old]
            delattr(layer, name)
            setattr(layer, name, each)
