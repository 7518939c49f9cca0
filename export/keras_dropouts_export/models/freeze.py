"""Returns a model whose rates are constants, made of Keras's own layers where it has them."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.surgery import rewrite
from keras_dropouts.surgery.sources import NoiseSource, noise_sources
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise
from keras_dropouts_export.models.same_predictions import check_same_predictions
from keras_dropouts_export.models.strip import StrippedRow, keep_report
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def freeze_dropout(model: keras.Model, *, sample_inputs: Any = None) -> keras.Model:
    """Return a new model with constant dropout rates, for fine-tuning or handing on.

    Schedules and learned rates become the numbers that they are now, and each layer of this
    package becomes Keras's own wherever Keras has one (`keras.layers.Dropout`,
    `keras.layers.SpatialDropout1D` to `3D`); such a model loads where keras_dropouts is not
    installed. A layer that Keras has no kin of stays one of this package, with a constant rate.
    A layer that wraps another becomes a dropout layer before the wrapped one. Keras's own dropout
    stays as it is, and so do layers of classes that `kd.register_noise` made known; one that looks
    like dropout and is not known is warned of. `strip_report(new_model)` lists the rates.

    Predictions at inference are those of `model(x, training=False)`, bit for bit; names and
    weights of all other layers are as they were. `model` is not changed.

    Args:
        model: A built Sequential or Functional model.
        sample_inputs: None, or inputs of the model, as for `export_onnx`: the new model is returned
            only if it predicts the same for them, bit for bit.

    Returns:
        The new model, not compiled.

    Raises:
        ValueError: if `model` is not a Keras model, is not built, is subclassed, or holds a layer
            that cannot be made again from its config, or `sample_inputs` are no inputs of it.
        ExportError: if the new model predicts something else for `sample_inputs`.

    Example:

    >>> import keras
    >>> import keras_dropouts as kd
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), kd.ScheduledDropout(0.25), keras.layers.Dense(3)]
    >>> new = kde.freeze_dropout(keras.Sequential(layers))
    >>> type(new.layers[0]).__name__, new.layers[0].rate
    ('Dropout', 0.25)
    """
    samples = SampleInputs.asked_for(sample_inputs)
    stand_ins: list[tuple[BaseDropout, Any]] = []

    def frozen(layer: Any) -> list[Any] | None:
        if not isinstance(layer, BaseDropout):
            return None
        made = layer.frozen()
        stand_ins.extend((layer, part) for part in made if isinstance(part, BaseDropout))
        return made

    new = rewrite.rewrite(model, frozen)
    warn_of_unknown_noise(model)
    for old, part in stand_ins:
        part.rate = old.rate  # the state that was carried over may follow a schedule
    sources = noise_sources(model)
    for source in noise_sources(new):
        if source.ours and source.layer.schedule is not None:  # inside a custom layer
            source.layer.rate = source.layer.rate
    if samples is not None:
        check_same_predictions(new, model, samples)
    keep_report(new, [_row(source) for source in sources])
    return new


def _row(source: NoiseSource) -> StrippedRow:
    what = "replaced" if source.ours else "kept"
    return StrippedRow(source.path, type(source.layer).__name__, source.rate, what)
