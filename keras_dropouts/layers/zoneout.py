"""Defines Zoneout, a wrapper by which units of a recurrent state keep their value for a step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_rate
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.expected_zoneout import ExpectedZoneout, draw_stays, run_zoneout
from keras_dropouts.layers.recurrent_wrapper import (
    RECURRENT,
    RecurrentWrapper,
    check_cells,
    with_direction,
)
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor


@register
class Zoneout(RecurrentWrapper, WrappingDropout):
    """Wraps a recurrent layer; units of its state keep their former value now and then.

    In training, at each time step, each unit of the state keeps the value of the step before with
    probability `rate`: h_t = d * h_(t-1) + (1 - d) * update, d from {0, 1}. When not training
    the mean stands in for it, as in the paper: h_t = rate * h_(t-1) + (1 - rate) * update. So
    the layer is no identity after training.

    `keras.layers.Bidirectional` takes it as its layer, and it may wrap a Bidirectional; each
    direction draws for itself.

    Stripped, it is `ExpectedZoneout`, which has that mean with constant rates and no random
    numbers; frozen, it is Zoneout with the present rate.

    Args:
        layer: A `keras.layers.LSTM`, `GRU` or `SimpleRNN`, an `RNN` with the cell of one of these,
            or a `Bidirectional` of these, without `dropout` arguments of its own, not stateful.
        rate: Probability that a unit of the hidden state keeps its value, a number in [0, 1],
            or a schedule step -> rate.
        cell_rate: The same for the carry of an LSTM, a number in [0, 1] that stays as it is;
            None takes `rate` for it. The paper's language models have 0.05 and 0.5 for it.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of floats (batch, time, features).
        training: Whether to draw.
        mask: None, or booleans (batch, time), as the recurrent layer takes them.
        initial_state: As the recurrent layer takes it.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the wrapped layer
            drops by itself.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> layer = kd.Zoneout(keras.layers.LSTM(64), 0.05, cell_rate=0.5)
        >>> tuple(layer(np.ones((2, 10, 8), "float32"), training=True).shape)
        (2, 64)

    Reference:
        Krueger, Maharaj, Kramar, Pezeshki, Ballas, Ke, Goyal, Bengio, Courville and Pal, 2017,
        "Zoneout: regularizing RNNs by randomly preserving hidden activations".
    """

    supported = RECURRENT
    is_plain_at_rate_0 = False  # at inference it has the mean of what its rates do

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float | Schedule,
        cell_rate: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, rate, seed=seed, **kwargs)
        check_cells(layer)
        self.cell_rate = None if cell_rate is None else check_rate(cell_rate, "cell_rate")

    def call(
        self,
        inputs: Tensor,
        training: bool = False,
        mask: Tensor = None,
        initial_state: Any = None,
    ) -> Tensor:
        stream = self._next_stream() if training else None
        rate = self.current_rate(None if stream is None else stream.step)
        rates = [rate, rate if self.cell_rate is None else self.cell_rate]
        rates = [ops.convert_to_tensor(each, "float32") for each in rates]
        stays = None if stream is None else draw_stays(self.layer, inputs, rates, stream)
        return run_zoneout(self.layer, inputs, rates, mask, initial_state, stays)

    def stripped(self) -> keras.layers.Layer:
        layer = super().stripped()
        cell_rate = self.rate if self.cell_rate is None else self.cell_rate
        return ExpectedZoneout(layer, self.rate, cell_rate, name=self.name, dtype=self.dtype_policy)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell_rate": self.cell_rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BaseDropout:
        return super().from_config(with_direction(config))
