"""Offers `export_openvino`: from a Keras model to the two files of OpenVINO."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_dropouts_export import formats, pipeline
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.pipeline import Progress, Request
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def export_openvino(
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
    """Write `model` at inference to OpenVINO's .xml and .bin, once its CPU plugin agrees with it.

    Every noise source is off, whatever the model. Weights stay as they are: nothing is compressed
    to float16. Inputs and outputs have the names that `export_onnx` gives them, and the batch is
    dynamic. `model` is not changed.

    Where Keras runs on JAX or PyTorch, a process of its own exports on TensorFlow, and the artifact
    is also compared with the model where it is; your own layers have to be importable there.

    Args:
        model: A built Keras model of any kind.
        path: File name that ends in .xml, in an existing folder; the weights go to a .bin file of
            the same name beside it.
        samples: None; a number is an error that says what OpenVINO lacks for Monte-Carlo dropout.
        input_signature: As for `export_onnx`.
        sample_inputs: As for `export_onnx`.
        overwrite: Whether to replace files at `path`.
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
        ModuleNotFoundError: if the package openvino is missing, saying what to install.
        ExportError: naming what the format lacks, what is left or what differs; nothing is written.

    Example:

    >>> import keras, keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="score")])
    >>> report = kde.export_openvino(model, "score.xml")
    >>> print(report.outputs[0])
    score: float32[batch, 2]
    """
    return pipeline.export(
        Request(
            model=model,
            path=path,
            format=formats.named("openvino").make(),
            sampling=MonteCarlo.asked_for(samples),
            comparison=Comparison(atol, rtol, seed),
            input_signature=input_signature,
            sample_inputs=SampleInputs.asked_for(sample_inputs),
            overwrite=overwrite,
            progress=progress,
        )
    )
