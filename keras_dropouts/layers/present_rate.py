"""Defines PresentRate, the metric by which `fit` shows a learned rate and keeps its history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.types import Layer, Tensor


class PresentRate(keras.metrics.Metric):
    """The present rate of a layer, as a metric.

    While JAX trains, a metric sees its own variables and no others, so there the progress bar
    shows the rate at the beginning of the epoch; the history has the one at its end.
    `is_unknown` says whether a function runs that was not handed the layer's variable.
    """

    def __init__(self, layer: Layer, is_unknown: Callable[[], bool]) -> None:
        super().__init__(name=f"{layer.name}_rate")
        # Neither the layer nor its variable: a metric takes a variable for its own, and saving
        # walks through all it holds.
        self._read = layer.current_rate
        self._is_unknown = is_unknown
        self._last_seen = self.add_variable((), initializer="zeros", name="last_seen")

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the rate is state of the layer."""

    def reset_state(self) -> None:
        self._last_seen.assign(self._read())

    def result(self) -> Tensor:
        if self._is_unknown():
            return keras.ops.convert_to_tensor(self._last_seen)
        return self._read()
