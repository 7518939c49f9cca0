"""Defines StochasticDepth, which adds a branch to its skip connection and drops the branch."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts.layers.drop_path import DropPath
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class StochasticDepth(DropPath):
    """Adds a residual branch to its skip connection, and drops the branch for whole samples.

    In training the output is skip + branch * keep / (1 - rate), with one decision `keep` a
    sample; otherwise it is skip + branch. The paper scales the branch by 1 - rate when not
    training instead; here, as everywhere in this package, the kept ones are scaled in training,
    so that nothing is left to do afterwards and the mean over masks is skip + branch.

    Stripped, it is `keras.layers.Add`; frozen, it is the same layer with the present rate, as
    Keras has none.

    Args:
        rate: Probability of dropping the branch of a sample, a number in [0, 1], or a schedule
            step -> rate. `depth_rates` gives the paper's rule over depth.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: List of two tensors of floats of one shape (batch, ...): skip and branch.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the input is not
            a list of two tensors of one shape.

    Example:
        >>> import keras
        >>> import keras_dropouts as kd
        >>> inputs = keras.Input((16,))
        >>> branch = keras.layers.Dense(16, activation="relu")(inputs)
        >>> model = keras.Model(inputs, kd.StochasticDepth(0.2)([inputs, branch]))

    Reference:
        Huang, Sun, Liu, Sedra and Weinberger, 2016, "Deep networks with stochastic depth".
    """

    def build(self, input_shape: Any) -> None:
        shapes = [tuple(shape) for shape in input_shape] if _is_pair(input_shape) else []
        if len(shapes) != 2 or shapes[0][1:] != shapes[1][1:]:
            raise invalid("inputs", "[skip, branch], two tensors of one shape", input_shape)
        super().build(shapes[1])

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        skip, branch = inputs
        if not training:
            return skip + branch
        self._check_floats(branch)
        stream = self._next_stream()
        return skip + self.drop(branch, self.current_rate(stream.step), stream)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[0])

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def stripped(self) -> keras.layers.Layer | None:
        return keras.layers.Add(name=self.name, dtype=self.dtype_policy)

    def frozen(self) -> list[keras.layers.Layer]:
        return [type(self).from_config({**self.get_config(), "rate": self.rate})]


def _is_pair(shapes: Any) -> bool:
    return (
        isinstance(shapes, (list, tuple))
        and len(shapes) == 2
        and all(isinstance(shape, (list, tuple)) for shape in shapes)
    )
