"""PresentRate: the metric by which `fit` shows a learned rate and keeps its history."""

from __future__ import annotations

from typing import Any

import keras
from keras.src.backend.common import global_state

from keras_dropouts.layers.base import BaseDropout, Tensor


class PresentRate(keras.metrics.Metric):
    """The present rate of a layer, as a metric.

    While JAX trains, a metric sees its own variables and no others, so there the progress bar
    shows the rate at the beginning of the epoch; the history has the one at its end.
    """

    def __init__(self, layer: BaseDropout) -> None:
        super().__init__(name=f"{layer.name}_rate")
        self._layer = layer  # not its variable: a metric takes each for its own
        self._last_seen = self.add_variable((), initializer="zeros", name="last_seen")

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the rate is state of the layer."""

    def reset_state(self) -> None:
        self._last_seen.assign(self._layer.current_rate())

    def result(self) -> Tensor:
        scope = global_state.get_global_attribute("stateless_scope")
        if scope is not None and id(self._layer._rate) not in scope.state_mapping:
            return keras.ops.convert_to_tensor(self._last_seen)
        return self._layer.current_rate()
