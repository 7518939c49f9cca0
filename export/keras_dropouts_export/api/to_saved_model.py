"""Offers `export_saved_model`: from a Keras model to a SavedModel folder."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_dropouts_export import formats, pipeline
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.pipeline import Progress, Request
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def export_saved_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    samples: int | None = None,
    *,
    reduce: str | None = "mean_std",
    uncertainty: bool = False,
    chunk_size: int | None = None,
    fixed_masks: bool = False,
    calibration: Any = None,
    input_signature: Any = None,
    sample_inputs: Any = None,
    second_process: bool = False,
    overwrite: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `model` at inference to a SavedModel, once the reloaded one agrees with it.

    Every noise source is off, whatever the model, and no seed, rate or optimizer state is in the
    folder. The loaded object has the method `serve`, which takes and returns the model's own
    structures, and the signature `serving_default`, with inputs and outputs by name (in the name of
    an input, what Python allows in no identifier becomes `_`: TensorFlow's rule). `model` is not
    changed.

    Where Keras runs on JAX or PyTorch, a process of its own exports on TensorFlow, and the artifact
    is also compared with the model where it is; your own layers have to be importable there.

    Args:
        model: A built Keras model of any kind.
        path: Name of the folder to be made, in an existing one.
        samples: None, or an integer above 0: then the signature `serving_mc` stands beside
            `serving_default`, with Monte-Carlo dropout as in `export_onnx`, and the method
            `serve_mc(inputs, seed)`, which a `keras.layers.TFSMLayer` calls by
            `layer(x, seed=seeds)`.
        reduce: As for `export_onnx`.
        uncertainty: As for `export_onnx`.
        chunk_size: As for `export_onnx`.
        fixed_masks: As for `export_onnx`.
        calibration: As for `export_onnx`. The signatures have the outputs, and the method `serve`,
            which returns the model's own structure, does not.
        input_signature: As for `export_onnx`.
        sample_inputs: As for `export_onnx`.
        second_process: Whether the folder is run in a second process too, which has neither the
            model nor this package, at the cost of one import of TensorFlow. It is run there anyway
            where it holds tables, other resources or operations that are not TensorFlow's own:
            all else is the same in every process.
        overwrite: Whether to replace a SavedModel at `path`.
        atol: Absolute tolerance of the comparison; see `verify`.
        rtol: Relative tolerance of the comparison; see `verify`.
        seed: Seed of the inputs that model and artifact are compared on.
        progress: Called with the name of each step as it begins.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the model is not
            built.
        FileExistsError, FileNotFoundError, PermissionError: if nothing can be written at `path`.
        ExportError: naming what is left or what differs; nothing is written.

    Example:

    >>> import keras
    >>> import tensorflow as tf
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,), name="features"), keras.layers.Dense(2, name="score")]
    >>> report = kde.export_saved_model(keras.Sequential(layers), "served")
    >>> loaded = tf.saved_model.load("served")
    >>> served = loaded.signatures["serving_default"](features=tf.zeros((3, 4)))
    >>> tuple(served["score"].shape)
    (3, 2)
    """
    return pipeline.export(
        Request(
            model=model,
            path=path,
            format=formats.named("saved_model").make(),
            sampling=MonteCarlo.asked_for(
                samples,
                reduce=reduce,
                uncertainty=uncertainty,
                chunk_size=chunk_size,
                fixed_masks=fixed_masks,
            ),
            comparison=Comparison(atol, rtol, seed, second_process),
            input_signature=input_signature,
            sample_inputs=SampleInputs.asked_for(sample_inputs),
            overwrite=overwrite,
            progress=progress,
            calibration=calibration,
        )
    )
