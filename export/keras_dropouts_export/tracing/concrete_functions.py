"""Makes concrete functions of TensorFlow, with an error of ours where a model cannot be traced."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_dropouts.keras_internals.patching import restored_after_calls
from keras_dropouts.keras_internals.scans import traceable_scans
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.tracing.inference_mode import training_is_false
from keras_dropouts_export.tracing.signature import Signature
from keras_dropouts_export.tracing.without_losses import losses_noted, without_losses


def plain_function(model: keras.Model, signature: Signature) -> Any:
    """Return the concrete function of `model(x, training=False)` as it is.

    Only layers of this package are told not to train, as they draw at a rate of zero, too.
    """
    function = tf.function(
        lambda *inputs: keras.tree.flatten(signature.call(model, list(inputs))),
        input_signature=signature.specs,
        autograph=False,
    )
    with restored_after_calls(model), training_is_false(BaseDropout):
        return traced(function, model, with_losses=True)


def traced(function: Any, model: keras.Model, with_losses: bool = False) -> Any:
    """Return the concrete function of a tf.function that calls `model`.

    with_losses: whether what only the losses of `add_loss` need is kept.

    Raises:
        ExportError: if it cannot be traced.
    """
    try:
        with losses_noted() as losses, traceable_scans():
            concrete = function.get_concrete_function()
        return concrete if with_losses else without_losses(concrete, losses)
    except Exception as error:  # whatever a user's own `call` may raise
        raise ExportError(
            f"Model {model.name!r} cannot be traced with the inputs "
            f"{[str(spec) for spec in function.input_signature]}: {said_by(error)} "
            f"Where these are not its inputs, pass `input_signature` or `sample_inputs`."
        ) from error
