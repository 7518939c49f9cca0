"""Defines VariationalRNN, which drops the same units at all time steps of a recurrent layer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_rate
from keras_dropouts.keras_internals.bidirectional import directions
from keras_dropouts.keras_internals.layer_weights import with_recurrent_mask
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.recurrent_wrapper import (
    RECURRENT,
    RecurrentWrapper,
    check_cells,
    with_direction,
)
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor

_INPUT, _STATE = 0, 1  # the draws of one call; the backward direction's state has the next


@register
class VariationalRNN(RecurrentWrapper, WrappingDropout):
    """Wraps a recurrent layer and drops the same units at all of its time steps.

    In training one mask for a sample's input features and one for its hidden state are drawn for
    the whole sequence; each entry is 0 with probability `rate` and 1 / (1 - rate) otherwise. The
    masked state is what meets the recurrent weights; what a cell keeps of its state by itself
    (the LSTM's carry, the part that the GRU's update gate lets through) is not dropped. All
    gates share the masks. When not training the layer is as it is.

    `keras.layers.Bidirectional` takes it as its layer: each direction then has masks of its own.
    It may also wrap a Bidirectional: both directions then share the mask of the input, and each
    has one for its state.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate.

    Args:
        layer: A `keras.layers.LSTM`, `GRU` or `SimpleRNN`, an `RNN` with the cell of one of these,
            or a `Bidirectional` of these, without `dropout` arguments of its own.
        rate: Probability of dropping, a number in [0, 1], or a schedule step -> rate.
        recurrent_rate: Probability of dropping a unit of the state, a number in [0, 1] that
            stays as it is; None takes `rate` for both.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats (batch, time, features).
        training: Whether to drop.
        mask: None, or booleans (batch, time), as the recurrent layer takes them.
        initial_state: As the recurrent layer takes it.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the wrapped layer
            drops by itself.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> layer = kd.VariationalRNN(keras.layers.LSTM(64, return_sequences=True), 0.25)
        >>> tuple(layer(np.ones((2, 10, 8), "float32"), training=True).shape)
        (2, 10, 64)

    Reference:
        Gal and Ghahramani, 2016, "A theoretically grounded application of dropout in recurrent
        neural networks".
    """

    supported = RECURRENT

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float | Schedule,
        recurrent_rate: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, rate, seed=seed, **kwargs)
        check_cells(layer)
        self.recurrent_rate = recurrent_rate
        if recurrent_rate is not None:
            self.recurrent_rate = check_rate(recurrent_rate, "recurrent_rate")

    def call(
        self,
        inputs: Tensor,
        training: bool = False,
        mask: Tensor = None,
        initial_state: Any = None,
    ) -> Tensor:
        arguments = {"mask": mask, "initial_state": initial_state, "training": training}
        if not training:
            return self.layer(inputs, **arguments)
        stream = self._next_stream()
        rate = self.current_rate(stream.step)
        batch, features = ops.shape(inputs)[0], inputs.shape[-1]
        dropped = self._mask(stream, _INPUT, (batch, 1, features), rate, inputs.dtype)
        recurrent = rate if self.recurrent_rate is None else self.recurrent_rate
        recurrent = ops.convert_to_tensor(recurrent, "float32")
        with ExitStack() as masked:
            for draw, each in enumerate(directions(self.layer), _STATE):
                shape = (batch, each.cell.units)
                state = self._mask(stream, draw, shape, recurrent, each.compute_dtype)
                masked.enter_context(with_recurrent_mask(each.cell, _for_each_gate(each, state)))
            return self.layer(inputs * dropped, **arguments)

    def _mask(
        self, stream: Stream, draw: int, shape: tuple[Any, ...], rate: Tensor, dtype: Any
    ) -> Tensor:
        keep = stream.keep(shape, rate, draw)
        return ops.cast(ops.cast(keep, "float32") * masks.keep_scale(rate), dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "recurrent_rate": self.recurrent_rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BaseDropout:
        return super().from_config(with_direction(config))


def _for_each_gate(layer: Any, state_mask: Tensor) -> Any:
    """Return the mask as the cell takes it: a list of one for each gate, where it has any."""
    if isinstance(layer.cell, keras.layers.SimpleRNNCell):
        return state_mask
    return [state_mask] * (4 if isinstance(layer.cell, keras.layers.LSTMCell) else 3)
