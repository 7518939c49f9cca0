"""Defines VariationalRNN, which drops the same units at all time steps of a recurrent layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_rate, invalid, is_real
from keras_dropouts.keras_internals.layer_weights import with_recurrent_mask
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor

RECURRENT = (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN, keras.layers.RNN)
_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)

_INPUT, _STATE = 0, 1  # the draws of one call


@register
class VariationalRNN(WrappingDropout):
    """Wraps a recurrent layer and drops the same units at all of its time steps.

    In training one mask for a sample's input features and one for its hidden state are drawn for
    the whole sequence; each entry is 0 with probability `rate` and 1 / (1 - rate) otherwise. The
    masked state is what meets the recurrent weights; what a cell keeps of its state by itself
    (the LSTM's carry, the part that the GRU's update gate lets through) is not dropped. All
    gates share the masks. When not training the layer is as it is.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate.

    Args:
        layer: A `keras.layers.LSTM`, `GRU` or `SimpleRNN`, or an `RNN` with the cell of one of
            these, without `dropout` arguments of its own.
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
        check_cell(layer)
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
        state = self._mask(
            stream,
            _STATE,
            (batch, self.layer.cell.units),
            ops.convert_to_tensor(recurrent, "float32"),
            self.layer.compute_dtype,
        )
        with with_recurrent_mask(self.layer.cell, self._for_each_gate(state)):
            return self.layer(inputs * dropped, **arguments)

    def _mask(
        self, stream: Stream, draw: int, shape: tuple[Any, ...], rate: Tensor, dtype: Any
    ) -> Tensor:
        keep = masks.draw_keep(stream, shape, rate, draw)
        return ops.cast(ops.cast(keep, "float32") * masks.keep_scale(rate), dtype)

    def _for_each_gate(self, state_mask: Tensor) -> Any:
        """Return the mask as the cell takes it: a list of one for each gate, where it has any."""
        if isinstance(self.layer.cell, keras.layers.SimpleRNNCell):
            return state_mask
        return [state_mask] * (4 if isinstance(self.layer.cell, keras.layers.LSTMCell) else 3)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        return self.layer.compute_mask([inputs], previous_mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "recurrent_rate": self.recurrent_rate}


def check_cell(layer: keras.layers.RNN) -> None:
    """Raise a clear error if a recurrent layer has another cell than Keras's, or drops itself."""
    if not isinstance(layer.cell, _CELLS):
        names = ", ".join(kind.__name__ for kind in _CELLS)
        raise invalid("layer", f"a layer with one of these cells: {names}", layer)
    for name in ("dropout", "recurrent_dropout"):
        rate = getattr(layer.cell, name)
        if is_real(rate) and rate > 0:
            expected = f"a layer with {name}=0"
            raise invalid("layer", expected, layer, "The wrapper sets the rate of both.")
