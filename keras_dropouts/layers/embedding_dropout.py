"""Defines EmbeddingDropout, a wrapper that drops words: whole rows of an embedding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.noise import masks
from keras_dropouts.noise.stream import Stream
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class EmbeddingDropout(WrappingDropout):
    """Wraps an embedding and drops words: whole rows of its matrix.

    In training each row is set to 0 with probability `rate` and kept rows are scaled by
    1 / (1 - rate), so the mean over masks is the embedding. One mask is drawn for each training
    call: a word that is dropped is dropped wherever it occurs in the batch. When not training the
    embedding is as it is.

    Stripped, it is the wrapped layer; frozen, it is the same wrapper with the present rate, as
    Keras has none.

    Args:
        layer: A `keras.layers.Embedding`.
        rate: Probability of dropping a word, a number in [0, 1], or a schedule step -> rate.
        seed: None or an integer in [0, 2**63).

    Call arguments:
        inputs: Tensor of integers, as the embedding takes it.
        training: Whether to drop.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> layer = kd.EmbeddingDropout(keras.layers.Embedding(1000, 64, mask_zero=True), 0.1)
        >>> tuple(layer(np.array([[5, 8, 5, 0]]), training=True).shape)
        (1, 4, 64)

    Reference:
        Merity, Keskar and Socher, 2018, "Regularizing and optimizing LSTM language models";
        Gal and Ghahramani, 2016, "A theoretically grounded application of dropout in recurrent
        neural networks".
    """

    supported = (keras.layers.Embedding,)
    draws_by_row = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.autocast = False  # bfloat16 does not hold a token's number

    def call_dropped(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        outputs = self.layer(inputs)
        keep = stream.keep((self.layer.input_dim,), rate)
        kept = ops.expand_dims(ops.take(keep, ops.cast(inputs, "int32"), axis=0), -1)
        return masks.apply_mask(outputs, kept, masks.keep_scale(rate), None)
