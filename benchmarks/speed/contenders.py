"""Lists what is timed: our layers, Keras's, peers' that install, and a copy as the floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from peers import peer

import keras_dropouts as kd

RATE = 0.1
BLOCK = 7


class Copy(keras.Layer):
    """Multiplies by a number, forward and backward: the least that a scaling layer can do."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * keras.ops.stop_gradient(self.factor)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def everywhere() -> dict[str, Callable[[], Any]]:
    """Return the contenders for inputs of any rank."""
    return {
        "copy": Copy,
        "keras Dropout": lambda: keras.layers.Dropout(RATE),
        "ScheduledDropout": lambda: kd.ScheduledDropout(RATE),
        "DropPath": lambda: kd.DropPath(RATE),
    }


def on_maps() -> dict[str, Callable[[], Any]]:
    """Return the contenders for feature maps (batch, height, width, channels)."""
    return {
        **everywhere(),
        "keras SpatialDropout2D": lambda: keras.layers.SpatialDropout2D(RATE),
        "SpatialDropout": lambda: kd.SpatialDropout(RATE),
        "DropBlock2D": lambda: kd.DropBlock2D(RATE, BLOCK),
        "DropBlock2D clip": lambda: kd.DropBlock2D(RATE, BLOCK, border="clip"),
        "DropBlock2D shared": lambda: kd.DropBlock2D(RATE, BLOCK, shared=True),
        **_peers(),
    }


def on_dense(units: int) -> dict[str, Callable[[], Any]]:
    """Return a Dense layer behind dropout whose rate is fixed, and with one that is learned."""

    def behind(dropout: Any) -> Callable[[], Any]:
        return lambda: keras.Sequential([dropout(RATE), keras.layers.Dense(units)])

    return {
        "Dense": lambda: keras.layers.Dense(units),
        "keras Dropout, Dense": behind(keras.layers.Dropout),
        "ScheduledDropout, Dense": behind(kd.ScheduledDropout),
        "ConcreteDropout(Dense)": lambda: kd.ConcreteDropout(
            keras.layers.Dense(units), RATE, data_size=10_000
        ),
    }


def _peers() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    mit = peer("keras_hub.src.models.mit.mit_layers", "keras_hub")
    if mit is not None:
        found["keras_hub DropPath"] = lambda: mit.DropPath(RATE)
    if keras.backend.backend() == "torch":
        timm = peer("timm.layers.drop", "timm", "timm.layers")
        if timm is not None:
            found["timm DropBlock2d"] = lambda: timm.DropBlock2d(
                RATE, BLOCK, couple_channels=False
            ).train()
            found["timm DropBlock2d shared"] = lambda: timm.DropBlock2d(RATE, BLOCK).train()
            found["timm DropPath"] = lambda: timm.DropPath(RATE).train()
        vision = peer("torchvision.ops.drop_block", "torchvision", "torchvision.ops")
        if vision is not None:
            found["torchvision DropBlock2d"] = lambda: vision.DropBlock2d(RATE, BLOCK).train()
    return found
