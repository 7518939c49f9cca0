"""Compares a new model with the one that it was made from, on inputs that the user chose."""

from __future__ import annotations

import keras

from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.tracing.predictions import predicted
from keras_dropouts_export.tracing.sample_inputs import SampleInputs, known_signature


def check_same_predictions(new: keras.Model, model: keras.Model, samples: SampleInputs) -> None:
    """Raise a clear error unless two models predict the same for `samples`, bit for bit.

    Raises:
        ValueError: if `samples` are not inputs of the model.
        ExportError: if the model does not take them, or the new model predicts something else.
    """
    signature = known_signature(model, None, samples)
    arrays = list(samples.by_name(signature).values())
    try:
        wanted = predicted(model, signature, arrays)
    except Exception as error:  # whatever a user's own `call` may raise
        raise ExportError(
            f"Model {model.name!r} does not take the `sample_inputs`: {said_by(error)}"
        ) from error
    got = predicted(new, signature, arrays)
    for i, (one, other) in enumerate(zip(got, wanted, strict=True)):
        if one.tobytes() != other.tobytes():
            raise ExportError(
                f"The new model does not predict what model {model.name!r} does: output {i} "
                f"differs on the `sample_inputs`. A layer whose config does not say all that it "
                f"is was made anew as another one, most often; let its `get_config` say all."
            )
