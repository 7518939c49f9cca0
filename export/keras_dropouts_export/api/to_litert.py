"""Offers `export_litert`: from a Keras model to a .tflite file."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_dropouts_export import formats, pipeline
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.pipeline import Progress, Request
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def export_litert(
    model: keras.Model,
    path: str | os.PathLike[str],
    samples: int | None = None,
    *,
    input_signature: Any = None,
    sample_inputs: Any = None,
    overwrite: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `model` at inference to a .tflite file, once the LiteRT interpreter agrees with it.

    Every noise source is off, whatever the model. The file has builtin operations alone, so that
    every build of LiteRT (TensorFlow Lite) runs it, and the signature `serving_default` with inputs
    and outputs by name. The batch is dynamic. Layers that compute in 16-bit floats compute in
    float32 in the file. `model` is not changed.

    Where Keras runs on JAX or PyTorch, a process of its own exports on TensorFlow, and the artifact
    is also compared with the model where it is; your own layers have to be importable there.

    Args:
        model: A built Keras model of any kind.
        path: File name that ends in .tflite, in an existing folder.
        samples: None; a number is an error that says what LiteRT lacks for Monte-Carlo dropout.
        input_signature: As for `export_onnx`.
        sample_inputs: As for `export_onnx`.
        overwrite: Whether to replace a file at `path`.
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
        ModuleNotFoundError: if the package ai-edge-litert is missing, saying what to install.
        ExportError: naming what the format lacks, what is left or what differs; nothing is written.

    Example:

    >>> import keras, keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="score")])
    >>> report = kde.export_litert(model, "score.tflite")
    >>> print(report.outputs[0])
    score: float32[batch, 2]
    """
    return pipeline.export(
        Request(
            model=model,
            path=path,
            format=formats.named("litert").make(),
            sampling=MonteCarlo.asked_for(samples),
            comparison=Comparison(atol, rtol, seed),
            input_signature=input_signature,
            sample_inputs=SampleInputs.asked_for(sample_inputs),
            overwrite=overwrite,
            progress=progress,
        )
    )
