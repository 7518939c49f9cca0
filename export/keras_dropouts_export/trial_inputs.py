"""Seeded inputs to try a model with, made from its signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_dropouts_export.inference import InferenceFunction, TensorInfo

BATCH_SIZES = (1, 2, 7)
_LENGTHS = ((12, 17), (64, 96))  # two sizes of a dynamic dimension: of a sequence, of an image

Inputs = dict[str, np.ndarray]


def trial_inputs(
    function: InferenceFunction, seed: int = 0, batch_sizes: Sequence[int] = BATCH_SIZES
) -> Iterator[tuple[int, Inputs]]:
    """Yield (batch size, inputs by name); every dynamic dimension has two sizes over the batches.

    A model whose batch dimension is fixed gets that one batch size.
    """
    random = np.random.default_rng(seed)
    limit = integer_limit(function.model)
    fixed = {each.shape[0] for each in function.inputs if each.shape and each.shape[0] is not None}
    for i, batch in enumerate(sorted(fixed)[:1] or batch_sizes):
        yield batch, {each.name: _values(each, batch, i, limit, random) for each in function.inputs}


def integer_limit(model: keras.Model) -> int:
    """Return the number below which integer inputs stay: the smallest embedding's."""
    sizes = [
        layer.input_dim
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
    ]
    return min(sizes, default=2)


def _values(
    info: TensorInfo, batch: int, turn: int, limit: int, random: np.random.Generator
) -> np.ndarray:
    lengths = _LENGTHS[len(info.shape) > 3]
    shape = [
        size if size is not None else batch if axis == 0 else lengths[turn % 2]
        for axis, size in enumerate(info.shape)
    ]
    if info.dtype == "bool" or "mask" in info.name:
        return _mask(shape, random).astype(info.dtype)
    if "int" in info.dtype:
        return random.integers(0, limit, shape).astype(info.dtype)
    return random.standard_normal(shape).astype(_numpy(info.dtype))


def _mask(shape: list[int], random: np.random.Generator) -> np.ndarray:
    """Return ones with some zeros, never a row of zeros alone."""
    mask = random.random(shape) < 0.8
    mask[..., :1] = True
    return mask


def _numpy(dtype: str) -> Any:
    # NumPy has no bfloat16 of its own; TensorFlow casts on the way in.
    return "float32" if dtype == "bfloat16" else dtype
