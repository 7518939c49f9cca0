"""Finds the layers of a model that draw random numbers when it predicts, by tracing it."""

from __future__ import annotations

from dataclasses import replace

import keras
import tensorflow as tf

from keras_dropouts.keras_internals.layers import compute_output_spec, parts, runs_known_code
from keras_dropouts.keras_internals.noted_draws import noted_draws
from keras_dropouts.keras_internals.patching import restored_after_calls
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts_export.checks.audit import audit_graph
from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.tracing.concrete_functions import plain_function
from keras_dropouts_export.tracing.inference_mode import training_is_false
from keras_dropouts_export.tracing.sample_inputs import SampleInputs, known_signature
from keras_dropouts_export.tracing.signature import Signature


def random_layers(model: keras.Model, samples: SampleInputs | None = None) -> list[str]:
    """Return the paths of layers that draw random numbers in `model(x, training=False)`.

    Layers of Keras and of this package are known not to; only a model with others in it is
    traced. On TensorFlow its graph shows every draw; on other backends those through
    `keras.random` are found, and those of a backend's own functions (`jax.random`) are not.
    `samples` are inputs of the model, which tell dtypes and ranks where its graph is not known, and
    sizes: Python code of some models counts the steps of a sequence.

    Raises:
        ExportError: if the model cannot be traced.
    """
    if all(map(runs_known_code, parts(model))):
        return []
    signature = known_signature(model, None, samples)
    if samples is not None:
        signature = _of_their_sizes(signature, samples)
    if keras.backend.backend() != "tensorflow":
        return _seen_to_draw(model, signature)
    found = audit_graph(plain_function(model, signature).graph, model.name).random_ops
    return sorted({_layer_of(each.name) for each in found})


def _of_their_sizes(signature: Signature, samples: SampleInputs) -> Signature:
    arrays = samples.by_name(signature).values()
    pairs = zip(signature.specs, arrays, strict=True)
    return replace(
        signature, specs=[tf.TensorSpec(x.shape, spec.dtype, spec.name) for spec, x in pairs]
    )


def _layer_of(operation: str) -> str:
    """Return the scopes around an operation, which are the names of the layers it is in."""
    parts = [part for part in operation.split("/")[:-1] if not part.startswith("stateless")]
    return repr("/".join(parts))


def _seen_to_draw(model: keras.Model, signature: Signature) -> list[str]:
    tensors = [keras.KerasTensor(spec.shape.as_list(), spec.dtype.name) for spec in signature.specs]
    with restored_after_calls(model), training_is_false(BaseDropout), noted_draws() as found:
        try:
            compute_output_spec(lambda *flat: signature.call(model, list(flat)), *tensors)
        except Exception as error:  # whatever a user's own `call` may raise
            raise ExportError(
                f"Model {model.name!r} cannot be called on "
                f"{[str(spec) for spec in signature.specs]}, so what it draws at inference is not "
                f"known: {said_by(error)}"
            ) from error
    return sorted({repr("/".join(layer.name for layer, _ in calls)) for calls in found})
