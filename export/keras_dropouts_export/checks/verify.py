"""Any artifact against its model, with Monte-Carlo dropout inside or without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras

from keras_dropouts_export.checks.audit import artifact_format
from keras_dropouts_export.checks.parity import ParityReport, check_options, compare
from keras_dropouts_export.checks.sampled_parity import verify_samples
from keras_dropouts_export.tracing.inference_function import inference_function


def verify(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    input_signature: Any = None,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
) -> ParityReport:
    """Compare an artifact with the model that it was exported from.

    Both get the same seeded inputs, made from the model's signature, with batch sizes 1, 2 and 7,
    twice each. An ONNX file runs in onnxruntime with its optimizations on and off, a SavedModel is
    loaded again. The model's side is the model at inference with every noise source off, or, for
    an artifact with Monte-Carlo dropout, its samples with the same seed; with another seed the
    mean may differ by what the number of samples lets expect, and has to differ.

    An output passes if it differs by at most `atol + rtol * max(|model's output|)`; NaN and
    infinity must be in the same places. Integers must be equal.

    Args:
        model: The built Keras model.
        path: An .onnx file or a SavedModel folder.
        input_signature: As for `export_onnx`.
        atol: Absolute tolerance, a finite number not below 0; None takes the one of the dtype.
        rtol: Relative tolerance, likewise.
        seed: Seed of the inputs, an integer in [0, 2**63).

    Raises:
        FileNotFoundError: if nothing is at `path`.
        ValueError: if the artifact cannot be read, or has other inputs or outputs than the model.
        ExportError: if the model cannot be traced.
    """
    artifact_format(path)
    check_options(atol, rtol, seed)
    options: dict[str, Any] = {"atol": atol, "rtol": rtol, "seed": seed}
    sampled = verify_samples(model, Path(path), input_signature, **options)
    if sampled is not None:
        return sampled
    return compare(inference_function(model, input_signature), path, **options)
