"""Defines what layers that wrap another layer share: its place in config, build and shape."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.layers import recompute_with, takes_training
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.noise.stream import Stream
from keras_dropouts.types import Schedule, Tensor


class WrappingDropout(BaseDropout):
    """A dropout layer that holds the layer on which it acts, as `layer.layer`.

    Stripped it is the wrapped layer; frozen it is itself with the present rate.

    Args:
        layer: A layer of one of the classes in `supported`.
        rate: Probability of dropping, a number in [0, 1], or a schedule step -> rate.
        seed: None or an integer in [0, 2**63).

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.
    """

    supported: tuple[type[keras.layers.Layer], ...] = (keras.layers.Layer,)

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float | Schedule,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, self.supported):
            names = ", ".join(kind.__name__ for kind in self.supported)
            raise invalid("layer", f"one of these layers: {names}", layer)
        super().__init__(rate, seed=seed, **kwargs)
        self.layer = layer
        recompute_with(self, layer)
        self.supports_masking = layer.supports_masking

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training:
            return self.call_undropped(inputs)
        stream = self._next_stream()
        return self.call_dropped(inputs, self.current_rate(stream.step), stream)

    def call_undropped(self, inputs: Tensor) -> Tensor:
        """Return the outputs of the wrapped layer when not training."""
        return call_wrapped(self.layer, inputs)

    def call_dropped(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        """Return the outputs of the wrapped layer in training."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it drops.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        return self.layer.compute_mask(inputs, previous_mask)

    def stripped(self) -> keras.layers.Layer:
        return type(self.layer).from_config(self.layer.get_config())

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BaseDropout:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})


def call_wrapped(layer: keras.layers.Layer, inputs: Tensor, training: bool = False) -> Tensor:
    """Call a layer, with `training` if it takes it."""
    return layer(inputs, training=training) if takes_training(layer) else layer(inputs)
