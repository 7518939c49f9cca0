"""The export of Monte-Carlo dropout: the same way as any export, with a check of the sampling."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts_export.checks.audit import audit_graph
from keras_dropouts_export.checks.sampled_parity import comparison
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.graph_edits import name_interface, set_metadata
from keras_dropouts_export.formats.onnx.tf2onnx import adapter, large_files
from keras_dropouts_export.formats.saved_model.saved_model_writer import write_saved_model
from keras_dropouts_export.monte_carlo.sampled_function import (
    DRAWS,
    METADATA,
    MonteCarlo,
    monte_carlo_function,
)
from keras_dropouts_export.pipeline import Progress, export, stripped_rows
from keras_dropouts_export.report import ExportReport, versions
from keras_dropouts_export.tracing import portable
from keras_dropouts_export.tracing.inference_function import (
    InferenceFunction,
    TensorInfo,
    inference_function,
)


def export_monte_carlo(
    model: keras.Model,
    path: str | os.PathLike[str],
    options: MonteCarlo,
    *,
    opset: int | None = None,
    input_signature: Any = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    parity: dict[str, Any] | None = None,
) -> ExportReport:
    """Write `model` with Monte-Carlo dropout to an ONNX file, or a SavedModel if `opset` is None.

    See `export_onnx` and `export_saved_model`.
    """
    made: list[InferenceFunction] = []  # the deterministic function, once it is traced

    def make() -> InferenceFunction:
        made[:] = [inference_function(model, input_signature)]
        if opset is None:  # a SavedModel holds it beside the samples
            found = audit_graph(made[0].concrete.graph, made[0].name)
            if not found.ok:
                raise ExportError(f"Nothing was written at {path}: without dropout, too, {found}")
        return monte_carlo_function(model, options, deterministic=made[0])

    def write(function: InferenceFunction, place: Path) -> InferenceFunction:
        if opset is None:
            write_saved_model(made[0], str(place), function, json.dumps(asdict(options)))
        else:
            _write_onnx(made[0], options, place, opset)
        seeded = options.rng == "philox"
        return function if seeded else replace(function, inputs=function.inputs[:-1])

    return export(
        path=path,
        kind="saved_model" if opset is None else "onnx",
        make=make,
        write=write,
        opset=opset,
        overwrite=overwrite,
        progress=progress,
        parity=parity,
        allow=(DRAWS, "RandomUniformLike") if options.rng == "native" else (DRAWS,),
        compare_with=comparison(options, (lambda: made[0]) if opset is None else None),
        samples=options.samples,
    )


def _write_onnx(plain: InferenceFunction, options: MonteCarlo, place: Path, opset: int) -> None:
    weights = large_files.large_weights(plain.model)
    function = _portable_function(plain, options, weights)
    model = adapter.convert(function.concrete, opset)
    own = len(plain.inputs)
    inputs = list(function.inputs)
    if options.rng == "native":  # it takes no seed
        del inputs[own], model.graph.input[own]
    name_interface(model, inputs, function.outputs)
    kept = [asdict(row) for row in stripped_rows(plain.model)]
    set_metadata(
        model,
        plain.name,
        {
            METADATA: json.dumps(asdict(options)),
            "keras_dropouts.kept": json.dumps(kept),
            "keras_dropouts.versions": json.dumps(versions()),
        },
    )
    names = [each.name for each in inputs[len(inputs) - len(weights) :]]
    large_files.save(model, place, names, weights)


def _portable_function(
    plain: InferenceFunction, options: MonteCarlo, weights: Sequence[Any]
) -> InferenceFunction:
    """Return the function for ONNX; see `portable.portable`, which does it for any other."""
    function = monte_carlo_function(plain.model, options, deterministic=plain, in_onnx=True)
    operations = function.concrete.graph.get_operations()
    calls = any(each.type in portable.CALLS for each in operations)
    narrow = any(tensor.dtype == tf.bfloat16 for each in operations for tensor in each.outputs)
    if not (calls or narrow or weights):
        return function
    specs = [portable.widened_spec(each) for each in plain.signature.specs]
    wide = replace(
        plain,
        signature=replace(plain.signature, specs=specs),
        inputs=tuple(map(_widened, plain.inputs)),
        outputs=tuple(map(_widened, plain.outputs)),
    )
    with portable.inlined(), portable.widened(plain.model):
        return monte_carlo_function(
            plain.model, options, deterministic=wide, in_onnx=True, weights=weights
        )


def _widened(info: TensorInfo) -> TensorInfo:
    return replace(info, dtype="float32") if info.dtype == "bfloat16" else info
