"""Predicts with several models, as samples of one Monte-Carlo prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_flag, check_integer, invalid
from keras_dropouts.monte_carlo.batches import Batches
from keras_dropouts.monte_carlo.inputs import errors_of_users
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.surgery.model_checks import check_model


def ensemble(
    models: Sequence[keras.Model], x: Any, batch_size: int = 32, *, verbose: bool = True
) -> MonteCarloPrediction:
    """Predict with each of several models; each model's predictions are one sample.

    The models run as at inference, without dropout. What is computed of the samples, mean, spread
    and measures of uncertainty, is the same as for `mc_predict`, so the two can be compared. No
    model is changed.

    Args:
        models: T models, two or more, that take the same inputs and have outputs of the same
            structure and shapes: mostly one architecture, trained T times from other weights.
        x: Their inputs: an array of shape (N, ...), or a structure of arrays of N rows each; or
            what gives batches of such, as `mc_predict` takes it. It is read once.
        batch_size: Rows of arrays that run together, an integer above 0; data that gives batches
            keeps its own.
        verbose: Whether to show a progress bar.

    Returns:
        A `MonteCarloPrediction` whose `samples` have the shape (T, N, ...), in the order of the
        models, and whose `seed` is None.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, a model is not built,
            `x` does not fit one of them, or their outputs differ in structure or shape.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> models = [
    ...     keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    ...     for _ in range(5)
    ... ]
    >>> prediction = kd.uncertainty.ensemble(models, np.ones((2, 4)), verbose=False)
    >>> prediction.samples.shape, prediction.mutual_information.shape, prediction.seed
    ((5, 2, 3), (2,), None)

    Reference:
        Lakshminarayanan, Pritzel and Blundell, 2017, "Simple and scalable predictive uncertainty
        estimation using deep ensembles".
    """
    members = _check_models(models)
    size = check_integer(batch_size, "batch_size", minimum=1)
    batches = Batches(members[0], x, size)
    bar = keras.utils.Progbar(batches.count) if check_flag(verbose, "verbose") else None
    parts: list[list[np.ndarray]] = []  # of each batch, the samples of each output
    structure: Any = None
    for i, (flat, nested) in enumerate(batches):
        inputs = keras.tree.pack_sequence_as(nested, flat)
        made = []
        for model in members:
            with errors_of_users(model, flat):
                made.append(model.predict_on_batch(inputs))
        structure = made[0]
        _check_outputs(members, made)
        samples = [keras.tree.flatten(each) for each in made]
        parts.append([np.stack(output) for output in zip(*samples, strict=True)])
        if bar is not None:
            bar.update(i + 1, finalize=None if batches.count else False)
    whole = [np.concatenate(output, axis=1) for output in zip(*parts, strict=True)]
    return MonteCarloPrediction(keras.tree.pack_sequence_as(structure, whole), None)


def _check_models(models: Any) -> list[Any]:
    if not isinstance(models, list | tuple) or len(models) < 2:
        raise invalid("models", "a list of two or more models", models)
    for model in models:
        check_model(model, "models")
    if len({id(model) for model in models}) < len(models):
        raise invalid("models", "models that differ: one of these is there twice", models)
    return list(models)


def _check_outputs(models: list[Any], made: list[Any]) -> None:
    """Raise a clear error unless all models gave outputs of one structure and shape."""
    shapes = [str(keras.tree.map_structure(np.shape, each)) for each in made]
    for model, shape in zip(models, shapes, strict=True):
        if shape != shapes[0]:
            expected = f"models with outputs of one structure, {shapes[0]} for the first batch"
            raise invalid("models", expected, f"{shape} of {model.name!r}")
