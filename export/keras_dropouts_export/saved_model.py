"""From an inference function to a SavedModel that holds the function and its weights alone."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_dropouts_export.formats.onnx.onnx_writer import export_monte_carlo
from keras_dropouts_export.formats.saved_model.saved_model_writer import write_saved_model
from keras_dropouts_export.monte_carlo.sampled_function import monte_carlo_options
from keras_dropouts_export.pipeline import Progress, export
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.tracing.inference_function import inference_function


def export_saved_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    samples: int | None = None,
    *,
    reduce: str | None = "mean_std",
    uncertainty: bool = False,
    chunk_size: int | None = None,
    input_signature: Any = None,
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

    Args:
        model: A built Keras model of any kind.
        path: Name of the folder to be made, in an existing one.
        samples: None, or an integer above 0: then the signature `serving_mc` stands beside
            `serving_default`, with Monte-Carlo dropout as in `export_onnx`, and `serve_mc`.
        reduce: As for `export_onnx`.
        uncertainty: As for `export_onnx`.
        chunk_size: As for `export_onnx`.
        input_signature: As for `export_onnx`.
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

    >>> import keras, keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="score")])
    >>> report = kde.export_saved_model(model, "score")  # doctest: +SKIP
    """
    options = monte_carlo_options(samples, reduce, uncertainty, chunk_size)
    parity = {"atol": atol, "rtol": rtol, "seed": seed}
    if options is not None:
        return export_monte_carlo(
            model,
            path,
            options,
            input_signature=input_signature,
            overwrite=overwrite,
            progress=progress,
            parity=parity,
        )
    return export(
        path=path,
        kind="saved_model",
        make=lambda: inference_function(model, input_signature),
        write=lambda function, place: write_saved_model(function, str(place)),
        overwrite=overwrite,
        progress=progress,
        parity=parity,
    )
