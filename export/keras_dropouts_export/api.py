"""From a Keras model to an ONNX file that onnxruntime was seen to serve."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras

from keras_dropouts.arguments import check_integer, invalid
from keras_dropouts_export.formats.onnx.graph_edits import name_interface, set_metadata
from keras_dropouts_export.formats.onnx.onnx_writer import export_monte_carlo
from keras_dropouts_export.formats.onnx.tf2onnx import adapter, large_files
from keras_dropouts_export.monte_carlo.sampled_function import check_rng_opset, monte_carlo_options
from keras_dropouts_export.pipeline import Progress, export, stripped_rows
from keras_dropouts_export.report import ExportReport, versions
from keras_dropouts_export.tracing.inference_function import InferenceFunction, inference_function
from keras_dropouts_export.tracing.portable import portable


def export_onnx(
    model: keras.Model,
    path: str | os.PathLike[str],
    samples: int | None = None,
    opset: int = 18,
    *,
    reduce: str | None = "mean_std",
    uncertainty: bool = False,
    chunk_size: int | None = None,
    rng: str = "philox",
    input_signature: Any = None,
    overwrite: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `model` at inference to an ONNX file, once onnxruntime agrees with it.

    Every noise source is off, whatever the model: nothing random, writing or unknown to ONNX is
    left, or nothing is written. Inputs are called as the model's input layers, outputs as their
    keys or the layers that make them, the batch dimension `batch`. The file's metadata says what
    was stripped from which rates, and with which versions. `model` is not changed.

    Args:
        model: A built Keras model of any kind.
        path: File name that ends in .onnx, in an existing folder.
        samples: None, or an integer above 0, which keeps dropout alive: the file draws that many
            samples, from an int64 scalar input `seed`, and has the outputs `<name>_mean` and
            `<name>_std`. With one seed its masks are those of `keras_dropouts.mc_predict` on the
            first batch. What no mask touches is computed once.
        reduce: "mean_std", or None for the output `<name>_samples`, of shape (samples, batch, ...).
        uncertainty: Whether to add, where the outputs are class probabilities, `<name>_entropy`,
            `<name>_expected_entropy` and `<name>_mutual_information`, in nats.
        chunk_size: How many samples run together as one batch, which bounds the memory; None for
            all of them.
        rng: "philox", or "native" for the runtime's own generator: it takes no seed, so the file
            has no such input, a new session may begin with the numbers of the last, and runtimes
            differ. It needs an opset up to 21.
        opset: Version of ONNX's operations, an integer from 13 to 25. With 18 every current
            server loads the file.
        input_signature: None, or what the model takes as its first argument (a tuple: its
            arguments), as a structure of `tf.TensorSpec` or `keras.InputSpec`: for a subclassed
            model with integer inputs or several arguments, or to fix a dynamic dimension.
        overwrite: Whether to replace a file at `path`.
        atol: Absolute tolerance of the comparison; see `verify`.
        rtol: Relative tolerance of the comparison; see `verify`.
        seed: Seed of the inputs that model and file are compared on.
        progress: Called with the name of each step as it begins.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the model is not
            built.
        FileExistsError, FileNotFoundError, PermissionError: if nothing can be written at `path`.
        ExportError: naming what ONNX lacks, what is left or what differs; nothing is written.

    Example:

    >>> import keras, keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="score")])
    >>> report = kde.export_onnx(model, "score.onnx")  # doctest: +SKIP
    """
    options = monte_carlo_options(samples, reduce, uncertainty, chunk_size, rng)
    check_opset(opset)
    parity = {"atol": atol, "rtol": rtol, "seed": seed}
    if options is not None:
        check_rng_opset(options, opset)
        return export_monte_carlo(
            model,
            path,
            options,
            opset=opset,
            input_signature=input_signature,
            overwrite=overwrite,
            progress=progress,
            parity=parity,
        )
    return export(
        path=path,
        kind="onnx",
        make=lambda: inference_function(model, input_signature),
        write=lambda function, place: write_onnx(function, place, opset),
        opset=opset,
        overwrite=overwrite,
        progress=progress,
        parity=parity,
    )


def check_opset(opset: Any) -> int:
    """Return `opset` if files of that version can be made."""
    low, high = adapter.MINIMUM_OPSET, adapter.MAXIMUM_OPSET
    if not isinstance(opset, int) or isinstance(opset, bool) or not low <= opset <= high:
        raise invalid("opset", f"an integer from {low} to {high}", opset)
    return check_integer(opset, "opset")


def write_onnx(function: InferenceFunction, place: Path, opset: int) -> InferenceFunction:
    """Write the ONNX form of `function` to `place`, and return the function in that form."""
    weights = large_files.large_weights(function.model) if function.forward is not None else []
    written = portable(function, weights)
    model = adapter.convert(written.concrete, opset)
    name_interface(model, written.inputs, written.outputs)
    stripped = [asdict(row) for row in stripped_rows(function.model)]
    set_metadata(
        model,
        function.name,
        {
            "keras_dropouts.stripped": json.dumps(stripped),
            "keras_dropouts.versions": json.dumps(versions()),
        },
    )
    own = len(function.inputs)
    large_files.save(model, place, [each.name for each in written.inputs[own:]], weights)
    return replace(written, inputs=written.inputs[:own])
