"""Defines Zoneout, a wrapper by which units of a recurrent state keep their value for a step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_rate
from keras_dropouts.keras_internals.patching import with_attributes
from keras_dropouts.layers.variational_rnn import RECURRENT, check_cell
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.noise import masks
from keras_dropouts.registry import register
from keras_dropouts.types import Schedule, Tensor


@register
class Zoneout(WrappingDropout):
    """Wraps a recurrent layer; units of its state keep their former value now and then.

    In training, at each time step, each unit of the state keeps the value of the step before with
    probability `rate`: h_t = d * h_(t-1) + (1 - d) * update, d from {0, 1}. When not training
    the mean stands in for it, as in the paper: h_t = rate * h_(t-1) + (1 - rate) * update. So
    the layer is no identity after training.

    Stripped, it is `ExpectedZoneout`, which has that mean with constant rates and no random
    numbers; frozen, it is Zoneout with the present rate.

    Args:
        layer: A `keras.layers.LSTM`, `GRU` or `SimpleRNN`, or an `RNN` with the cell of one of
            these, without `dropout` arguments of its own, not stateful.
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

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float | Schedule,
        cell_rate: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, rate, seed=seed, **kwargs)
        check_cell(layer)
        self.cell_rate = None if cell_rate is None else check_rate(cell_rate, "cell_rate")

    def call(
        self,
        inputs: Tensor,
        training: bool = False,
        mask: Tensor = None,
        initial_state: Any = None,
    ) -> Tensor:
        stream = self._next_stream() if training else None
        rates = [self.current_rate(None if stream is None else stream.step)]
        if isinstance(self.layer.cell, keras.layers.LSTMCell):
            rates.append(rates[0] if self.cell_rate is None else self.cell_rate)
        rates = [ops.convert_to_tensor(rate, "float32") for rate in rates]
        if stream is None:
            return run_zoneout(self.layer, inputs, rates, mask, initial_state)
        shape = (*ops.shape(inputs)[:2], self.layer.cell.units)
        keeps = []
        for draw, rate in enumerate(rates):
            update = masks.draw_keep(stream, shape, rate, draw)
            stay = ops.logical_or(ops.logical_not(update), rate >= 1.0)
            keeps.append(ops.cast(stay, self.layer.compute_dtype))
        # The numbers of all time steps are drawn before the loop and handed in with the inputs.
        wide = ops.concatenate([ops.cast(inputs, self.layer.compute_dtype), *keeps], axis=-1)
        return run_zoneout(self.layer, wide, None, mask, initial_state)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        return self.layer.compute_mask([inputs], previous_mask)

    def stripped(self) -> keras.layers.Layer:
        layer = super().stripped()
        cell_rate = self.rate if self.cell_rate is None else self.cell_rate
        return ExpectedZoneout(layer, self.rate, cell_rate, name=self.name, dtype=self.dtype_policy)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell_rate": self.cell_rate}


@register
class ExpectedZoneout(keras.layers.Layer):
    """A recurrent layer with the mean of Zoneout: it is what stripping leaves of `Zoneout`.

    h_t = rate * h_(t-1) + (1 - rate) * update, and the same with `cell_rate` for an LSTM's carry.

    Args:
        layer: A `keras.layers.LSTM`, `GRU` or `SimpleRNN`, or an `RNN` with the cell of one of
            these.
        rate: A number in [0, 1].
        cell_rate: A number in [0, 1].

    Raises:
        ValueError: if a rate is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> sequences = np.ones((2, 10, 8), "float32")
        >>> layer = kd.Zoneout(keras.layers.LSTM(64), 0.05, cell_rate=0.5)
        >>> expected = kd.ExpectedZoneout(layer.layer, 0.05, 0.5)  # what the first is at inference
        >>> bool(np.allclose(layer(sequences), expected(sequences)))
        True

    Reference:
        Krueger et al., 2017, "Zoneout: regularizing RNNs by randomly preserving hidden
        activations".
    """

    def __init__(
        self, layer: keras.layers.Layer, rate: float, cell_rate: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.rates = (check_rate(rate), check_rate(cell_rate, "cell_rate"))
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, inputs: Tensor, mask: Tensor = None, initial_state: Any = None) -> Tensor:
        rates = [ops.convert_to_tensor(rate, "float32") for rate in self.rates]
        return run_zoneout(self.layer, inputs, rates, mask, initial_state)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        return self.layer.compute_mask([inputs], previous_mask)

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        rate, cell_rate = self.rates
        return {**super().get_config(), "layer": layer, "rate": rate, "cell_rate": cell_rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ExpectedZoneout:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


def run_zoneout(
    layer: Any, inputs: Tensor, rates: list[Tensor] | None, mask: Tensor, initial_state: Any
) -> Tensor:
    """Run a recurrent layer, each part of its state mixed with what it was a step before.

    rates: what share of each part stays, float32 scalars; None takes them from the last features
    of `inputs`, `units` for each part of the state.
    """

    def loop(*args: Any, **kwargs: Any) -> Any:
        # Keras's fused kernels have no seam between two steps.
        return keras.layers.RNN.inner_loop(layer, *args, **kwargs)

    cell = _ZoneoutCell(layer.cell, rates)
    with with_attributes(layer, cell=cell, inner_loop=loop):
        return layer.call(
            ops.cast(inputs, layer.compute_dtype), mask=mask, initial_state=initial_state
        )


class _ZoneoutCell:
    """Stands in for a layer's cell for the time of a call."""

    def __init__(self, cell: Any, rates: list[Tensor] | None) -> None:
        self._cell = cell
        self._rates = rates

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell, name)

    def __call__(self, inputs: Tensor, states: Any) -> Any:
        parts = len(states)
        if self._rates is None:
            units = self._cell.units
            split = [inputs.shape[-1] - units * part for part in range(parts, 0, -1)]
            inputs, *stays = ops.split(inputs, split, axis=-1)
        else:
            stays = [ops.cast(rate, self._cell.compute_dtype) for rate in self._rates[:parts]]
        _, updates = self._cell(inputs, states)
        updates = updates if isinstance(updates, (list, tuple)) else [updates]
        mixed = [
            stay * state + (1.0 - stay) * update
            for stay, state, update in zip(stays, states, updates, strict=True)
        ]
        return mixed[0], mixed
