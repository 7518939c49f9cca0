"""Defines what layers that wrap a recurrent layer share: they take its place in a Bidirectional."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import invalid, is_real
from keras_dropouts.keras_internals.bidirectional import directions
from keras_dropouts.types import Tensor

RECURRENT = (
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.SimpleRNN,
    keras.layers.RNN,
    keras.layers.Bidirectional,
)
_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)


def _of_the_layer(name: str) -> property:
    """Return a property that is an attribute of the wrapped layer."""

    def read(wrapper: Any) -> Any:
        return getattr(wrapper.layer, name)

    def write(wrapper: Any, value: Any) -> None:
        setattr(wrapper.layer, name, value)

    return property(read, write)


class RecurrentWrapper:
    """What a wrapper of a recurrent layer, `layer`, has in common with a recurrent layer.

    `keras.layers.Bidirectional` makes the backward layer from the config of the forward one, with
    `go_backwards`, and asks both for the attributes below.
    """

    layer: Any
    go_backwards = _of_the_layer("go_backwards")
    return_sequences = _of_the_layer("return_sequences")
    return_state = _of_the_layer("return_state")
    stateful = _of_the_layer("stateful")
    states = _of_the_layer("states")
    zero_output_for_mask = _of_the_layer("zero_output_for_mask")
    use_cudnn = _of_the_layer("use_cudnn")

    def reset_state(self) -> None:
        """Set the states of a stateful layer back to zeros."""
        self.layer.reset_state()

    reset_states = reset_state  # Keras has both names

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        return self.layer.compute_mask([inputs], previous_mask)


def with_direction(config: dict[str, Any]) -> dict[str, Any]:
    """Return a wrapper's config with a `go_backwards` of its own handed on to the wrapped layer."""
    if "go_backwards" not in config:
        return config
    config = dict(config)
    layer = config["layer"]
    inner = {**layer["config"], "go_backwards": config.pop("go_backwards")}
    return {**config, "layer": {**layer, "config": inner}}


def check_cells(layer: keras.layers.Layer) -> None:
    """Raise a clear error if a recurrent layer has another cell than Keras's, or drops itself."""
    for each in directions(layer):
        cell = getattr(each, "cell", None)
        if not isinstance(cell, _CELLS):
            names = ", ".join(kind.__name__ for kind in _CELLS)
            raise invalid("layer", f"a layer with one of these cells: {names}", each)
        for name in ("dropout", "recurrent_dropout"):
            rate = getattr(cell, name)
            if is_real(rate) and rate > 0:
                expected = f"a layer with {name}=0"
                raise invalid("layer", expected, each, "The wrapper sets the rate of both.")
