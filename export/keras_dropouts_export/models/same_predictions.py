"""Compares a new model with the one that it was made from, on inputs that the user chose."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.tracing.inference_mode import noise_off
from keras_dropouts_export.tracing.sample_inputs import SampleInputs, known_signature
from keras_dropouts_export.tracing.signature import Signature


def check_same_predictions(new: keras.Model, model: keras.Model, samples: SampleInputs) -> None:
    """Raise a clear error unless two models predict the same for `samples`, bit for bit.

    Raises:
        ValueError: if `samples` are not inputs of the model.
        ExportError: if the model does not take them, or the new model predicts something else.
    """
    signature = known_signature(model, None, samples)
    arrays = list(samples.by_name(signature).values())
    try:
        wanted = _predicted(model, signature, arrays)
    except Exception as error:  # whatever a user's own `call` may raise
        raise ExportError(
            f"Model {model.name!r} does not take the `sample_inputs`: {error}"
        ) from error
    got = _predicted(new, signature, arrays)
    for i, (one, other) in enumerate(zip(got, wanted, strict=True)):
        if one.tobytes() != other.tobytes():
            raise ExportError(
                f"The new model does not predict what model {model.name!r} does: output {i} "
                f"differs on the `sample_inputs`. A layer whose config does not say all that it "
                f"is was made anew as another one, most often; let its `get_config` say all."
            )


def _predicted(model: keras.Model, signature: Signature, arrays: list[Any]) -> list[np.ndarray]:
    tensors = [
        keras.ops.convert_to_tensor(array, spec.dtype.name)
        for array, spec in zip(arrays, signature.specs, strict=True)
    ]
    # Recurrent layers that keep their state begin anew, and what they do to it is gone afterwards.
    states = [
        (state, keras.ops.zeros_like(state))
        for layer in parts(model)
        if isinstance(layer, keras.layers.RNN) and layer.stateful
        for state in keras.tree.flatten(layer.states)
    ]
    with keras.StatelessScope(state_mapping=states), noise_off(model):
        outputs = keras.tree.flatten(signature.call(model, tensors))
    return [np.asarray(keras.ops.convert_to_numpy(x)) for x in outputs if x is not None]
