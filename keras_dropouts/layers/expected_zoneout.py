"""Defines ExpectedZoneout, the mean of Zoneout, and the loop that both run."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_rate
from keras_dropouts.keras_internals.bidirectional import call_directions, directions
from keras_dropouts.keras_internals.patching import with_attributes
from keras_dropouts.layers.recurrent_wrapper import RecurrentWrapper, with_direction
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class ExpectedZoneout(RecurrentWrapper, keras.layers.Layer):
    """A recurrent layer with the mean of Zoneout: it is what stripping leaves of `Zoneout`.

    h_t = rate * h_(t-1) + (1 - rate) * update, and the same with `cell_rate` for an LSTM's carry.

    Args:
        layer: A `keras.layers.LSTM`, `GRU` or `SimpleRNN`, an `RNN` with the cell of one of these,
            or a `Bidirectional` of these.
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

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        rate, cell_rate = self.rates
        return {**super().get_config(), "layer": layer, "rate": rate, "cell_rate": cell_rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ExpectedZoneout:
        config = with_direction(config)
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


def run_zoneout(
    layer: Any,
    inputs: Tensor,
    rates: list[Tensor],
    mask: Tensor,
    initial_state: Any,
    stays: list[list[Tensor]] | None = None,
) -> Tensor:
    """Run a recurrent layer, each part of its state mixed with what it was a step before.

    rates: what share of the hidden state and of an LSTM's carry stays, float32 scalars; stays: for
    each direction what `draw_stays` returns; with None the mean, which is the rate, stands in.
    """

    def run(direction: Any, drawn: list[Tensor] | None) -> Any:
        def call(inputs: Tensor, **arguments: Any) -> Tensor:
            arguments.pop("training", None)
            inputs = ops.cast(inputs, direction.compute_dtype)
            if drawn is not None:  # handed in with the inputs, from before the loop
                inputs = ops.concatenate([inputs, *drawn], axis=-1)
            cell = _ZoneoutCell(direction.cell, rates if drawn is None else None)

            def loop(*args: Any, **kwargs: Any) -> Any:
                # Keras's fused kernels have no seam between two steps.
                return keras.layers.RNN.inner_loop(direction, *args, **kwargs)

            with with_attributes(direction, cell=cell, inner_loop=loop):
                return direction.call(inputs, **arguments)

        return call

    calls = [
        run(each, None if stays is None else stays[number])
        for number, each in enumerate(directions(layer))
    ]
    return call_directions(layer, calls, inputs, mask=mask, initial_state=initial_state)


def draw_stays(
    layer: Any, inputs: Tensor, rates: list[Tensor], stream: Stream
) -> list[list[Tensor]]:
    """Return 1 where a unit stays at a time step and else 0, for each part of a cell's state.

    A list for each direction, of tensors of shape (batch, time steps, units).
    """
    found = []
    for number, direction in enumerate(directions(layer)):
        shape = (*ops.shape(inputs)[:2], direction.cell.units)
        parts = 2 if isinstance(direction.cell, keras.layers.LSTMCell) else 1
        stays = []
        for draw, rate in enumerate(rates[:parts], 2 * number):
            update = stream.keep(shape, rate, draw)
            stay = ops.logical_or(ops.logical_not(update), rate >= 1.0)
            stays.append(ops.cast(stay, direction.compute_dtype))
        found.append(stays)
    return found


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
