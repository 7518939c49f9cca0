"""Defines DropKey and DropHead, which wrap an attention layer and drop its keys or heads."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.keras_internals.layer_weights import output_projection, with_output_projection
from keras_dropouts.keras_internals.padding_masks import padding_mask, without_padding_masks
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor

_ATTENTION = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)


class _AttentionDropout(WrappingDropout):
    supported = _ATTENTION

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(query_shape, value_shape or query_shape, key_shape)

    def call(  # type: ignore[override]
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor = None,
        attention_mask: Tensor = None,
        use_causal_mask: bool = False,
        training: bool = False,
    ) -> Tensor:
        arguments = {
            "attention_mask": attention_mask,
            "use_causal_mask": use_causal_mask,
            "training": training,
        }
        if not training:
            return self.layer(query, value, key, **arguments)
        stream = self._next_stream()
        rate = self.current_rate(stream.step)
        return self.attend((query, value, key), arguments, rate, stream)

    def attend(
        self, inputs: Any, arguments: dict[str, Any], rate: Tensor, stream: Stream
    ) -> Tensor:
        """Return the outputs of the attention layer in training."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it drops.")

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> Any:
        value_shape = query_shape if value_shape is None else value_shape
        return self.layer.compute_output_shape(query_shape, value_shape, key_shape)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor = None) -> Tensor:
        mask = previous_mask
        return mask[0] if isinstance(mask, (list, tuple)) else mask


@register
class DropKey(_AttentionDropout):
    """Wraps an attention layer and hides keys from it, before the softmax.

    In training each pair of a query and a key, in each head, is masked out with probability
    `rate`, so the attention weights of what is left still sum to 1; dropout of the weights
    after the softmax, as Keras's `dropout` argument does it, breaks that sum. A query with no key
    left sees all of its keys. As the softmax is not linear, the mean over masks is not the output
    without dropout. When not training the attention layer is as it is.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate.

    Args:
        layer: A `keras.layers.MultiHeadAttention` or `GroupQueryAttention`, for inputs of rank 3.
        rate: Probability of hiding a key from a query, a number in [0, 1], or a schedule.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        query, value, key, attention_mask, use_causal_mask: as the attention layer takes them;
            `attention_mask` is of shape (batch, queries, keys).
        training: Whether to hide keys.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> tokens = np.ones((2, 10, 64), "float32")
        >>> layer = kd.DropKey(keras.layers.MultiHeadAttention(4, 16), 0.1)
        >>> tuple(layer(tokens, tokens, training=True).shape)
        (2, 10, 64)

    Reference:
        Li, Hu, Nie, Han, Jiang, Guo, Liu, 2023, "DropKey for vision transformer".
    """

    def attend(
        self, inputs: Any, arguments: dict[str, Any], rate: Tensor, stream: Stream
    ) -> Tensor:
        query, value, key = inputs
        batch, queries, keys = ops.shape(query)[0], ops.shape(query)[1], ops.shape(value)[1]
        keep = stream.keep((batch, _heads(self.layer), queries, keys), rate)
        keep = ops.logical_and(keep, rate < 1.0)
        allowed = self._allowed(query, value, key, arguments)
        visible = ops.logical_and(keep, allowed)
        visible = ops.where(ops.any(visible, axis=-1, keepdims=True), visible, allowed)
        # Keras cannot join padding masks to a mask that has heads; they are in `visible` already.
        with without_padding_masks(x for x in inputs if x is not None):
            return self.layer(*inputs, **{**arguments, "attention_mask": visible})

    def _allowed(
        self, query: Tensor, value: Tensor, key: Tensor, arguments: dict[str, Any]
    ) -> Tensor:
        """Return what the call lets a query see, to broadcast with (batch, heads, T, S)."""
        queries, keys = ops.shape(query)[1], ops.shape(value)[1]
        allowed = ops.ones((1, 1, queries, keys), "bool")
        given = arguments["attention_mask"]
        if given is not None:
            allowed = ops.logical_and(allowed, ops.expand_dims(ops.cast(given, "bool"), 1))
        if arguments["use_causal_mask"]:
            rows, columns = ops.arange(queries)[:, None], ops.arange(keys)[None, :]
            allowed = ops.logical_and(allowed, rows >= columns)
        for x, axis in ((query, -1), (value, -2), (key, -2)):
            padding = None if x is None else padding_mask(x)
            if padding is not None:
                padding = ops.expand_dims(ops.expand_dims(padding, 1), axis)
                allowed = ops.logical_and(allowed, padding)
        return allowed


@register
class DropHead(_AttentionDropout):
    """Wraps an attention layer and drops whole heads.

    In training the output of each head is set to 0 for a sample with probability `rate`, before
    the heads are brought together, and kept ones are scaled by 1 / (1 - rate). When not training
    the attention layer is as it is.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate.

    Args:
        layer: A `keras.layers.MultiHeadAttention` or `GroupQueryAttention`.
        rate: Probability of dropping a head, a number in [0, 1], or a schedule step -> rate.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        query, value, key, attention_mask, use_causal_mask: as the attention layer takes them.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> tokens = np.ones((2, 10, 64), "float32")
        >>> layer = kd.DropHead(keras.layers.MultiHeadAttention(8, 16), 0.2)
        >>> tuple(layer(tokens, tokens, training=True).shape)
        (2, 10, 64)

    Reference:
        Zhou, Ge, Wei, Zhou and Xu, 2020, "Scheduled DropHead: a regularization method for
        transformer models".
    """

    def attend(
        self, inputs: Any, arguments: dict[str, Any], rate: Tensor, stream: Stream
    ) -> Tensor:
        query, project = inputs[0], output_projection(self.layer)
        # What the heads return is of shape (batch, ..., heads, head size).
        between = (1 for _ in query.shape[1:-1])
        shape = (ops.shape(query)[0], *between, _heads(self.layer), 1)
        keep = stream.keep(shape, rate)

        def project_kept(outputs: Tensor) -> Tensor:
            return project(masks.apply_mask(outputs, keep, masks.keep_scale(rate), None))

        with with_output_projection(self.layer, project_kept):
            return self.layer(*inputs, **arguments)


def _heads(layer: BaseDropout) -> int:
    return int(getattr(layer, "num_query_heads", None) or layer.num_heads)
