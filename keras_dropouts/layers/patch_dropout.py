"""Defines PatchDropout, which keeps a random subset of tokens in training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_integer, check_rate, invalid, is_real
from keras_dropouts.keras_internals.padding_masks import padding_mask, set_padding_mask
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class PatchDropout(BaseDropout):
    """Keeps a random subset of the tokens of a sample, and leaves the others out.

    In training max(1, round((1 - rate) * tokens)) of the tokens stay, in their order, so the
    sequence is shorter and all that follows costs less. Each sample keeps tokens of its own, each
    of them with the same probability. They are not scaled, as attention takes means over what it
    is given; put the layer after position embeddings are added. Otherwise it is the identity.

    The length of the output depends on the rate, and compiled steps need to know it: the rate is
    a number below 1 that cannot be changed, and takes no schedule. Make a new layer for another
    rate; `replace_dropout` puts it in.

    Stripped, nothing is left of it; frozen, it is the same layer, as Keras has none.

    Args:
        rate: Share of the tokens to leave out, a number in [0, 1).
        prefix: Number of tokens at the beginning that always stay, such as a class token; an
            integer of at least 0. The rate is of the others.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor (batch, tokens, features). The number of tokens has to be known.
        training: Whether to leave tokens out.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the input is of
            another rank.

    Example:
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> tokens = np.ones((2, 197, 64), "float32")  # a class token and 14 x 14 patches
        >>> layer = kd.PatchDropout(0.5, prefix=1)
        >>> tuple(layer(tokens, training=True).shape), layer.kept(197)
        ((2, 99, 64), 99)

    Reference:
        Liu, Matsoukas, Strand, Azizpour and Smith, 2022, "PatchDropout: economizing vision
        transformers using patch dropout".
    """

    is_plain_at_rate_0 = False  # as its rate is fixed
    rate_is_fixed = True

    def __init__(
        self, rate: float, prefix: int = 0, seed: int | None = None, **kwargs: Any
    ) -> None:
        if not is_real(rate):
            raise invalid("rate", "a number from 0 to 1, 1 not included", rate)
        super().__init__(rate, seed=seed, **kwargs)
        self.prefix = check_integer(prefix, "prefix")

    def _check_rate(self, rate: Any) -> float:
        if check_rate(rate) == 1.0:
            raise invalid("rate", "a number from 0 to 1, 1 not included", rate)
        rate = check_rate(rate)
        present = getattr(self, "_initial_rate", rate)
        if rate != present:
            way_out = "Make a new layer; `replace_dropout` puts it into a model."
            expected = f"{present}, as compiled steps have to know how many tokens stay"
            raise invalid("rate", expected, rate, way_out)
        return rate

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 3 or input_shape[1] is None or input_shape[1] <= self.prefix:
            expected = f"(batch, tokens, features) with more than {self.prefix} tokens, their "
            raise invalid("inputs", f"{expected}number known", tuple(input_shape))

    def kept(self, tokens: int) -> int:
        """Return how many of `tokens` tokens stay in training, the prefix among them."""
        return self.prefix + max(1, round((1.0 - self._initial_rate) * (tokens - self.prefix)))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training:
            return inputs
        stream = self._next_stream()
        return self.drop(inputs, self.current_rate(stream.step), stream)

    def drop(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        batch, tokens = ops.shape(inputs)[0], inputs.shape[1]
        order = ops.argsort(stream.uniform((batch, tokens - self.prefix)), axis=1)
        chosen = ops.sort(order[:, : self.kept(tokens) - self.prefix], axis=1)
        chosen = ops.cast(chosen, "int32") + self.prefix
        first = ops.broadcast_to(ops.arange(self.prefix, dtype="int32"), (batch, self.prefix))
        chosen = ops.concatenate([first, chosen], axis=1)
        padding = padding_mask(inputs)
        outputs = ops.take_along_axis(inputs, ops.expand_dims(chosen, -1), axis=1)
        if padding is not None:
            set_padding_mask(outputs, ops.take_along_axis(padding, chosen, axis=1))
        return outputs

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        # A padding mask that a graph holds would have a place for each token. Without one, the
        # layers that follow take the mask that `drop` sets on what they are called with.
        return None if keras.utils.is_keras_tensor(previous_mask) else previous_mask

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        batch, tokens, features = inputs.shape
        length = self.kept(tokens) if training else tokens
        return keras.KerasTensor((batch, length, features), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "prefix": self.prefix}
