"""Predicts with a model as it is, on any backend, with every noise source off."""

from __future__ import annotations

import keras
import numpy as np

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.types import Tensor
from keras_dropouts_export.tracing.inference_mode import noise_off
from keras_dropouts_export.tracing.signature import Signature


def tensors_of(signature: Signature, arrays: list[np.ndarray]) -> list[Tensor]:
    """Return flat inputs as tensors of the backend, in the dtypes of the inputs."""
    return [
        keras.ops.convert_to_tensor(array, spec.dtype.name)
        for array, spec in zip(arrays, signature.specs, strict=True)
    ]


def predicted(
    model: keras.Model, signature: Signature, arrays: list[np.ndarray]
) -> list[np.ndarray]:
    """Return the flat outputs of `model` at inference for flat inputs.

    Recurrent layers that keep their state begin anew, and what they do to it is gone afterwards.
    """
    tensors = tensors_of(signature, arrays)
    states = [
        (state, keras.ops.zeros_like(state))
        for layer in parts(model)
        if isinstance(layer, keras.layers.RNN) and layer.stateful
        for state in keras.tree.flatten(layer.states)
    ]
    with keras.StatelessScope(state_mapping=states), noise_off(model):
        outputs = keras.tree.flatten(signature.call(model, tensors))
    tensors_out = [x for x in outputs if keras.ops.is_tensor(x)]
    return [np.asarray(keras.ops.convert_to_numpy(x)) for x in tensors_out]
