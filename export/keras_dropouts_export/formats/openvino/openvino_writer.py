"""Writes a traced function as an .xml and a .bin file, with OpenVINO's reader of SavedModels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Exported
from keras_dropouts_export.formats.openvino.openvino_runtime import openvino, reason
from keras_dropouts_export.formats.saved_model.saved_model_writer import (
    temporary_folder,
    write_saved_model,
)
from keras_dropouts_export.provenance import rates_of, versions
from keras_dropouts_export.tracing.inference_function import InferenceFunction
from keras_dropouts_export.tracing.portable import portable

# As OpenVINO says it from 2026.1 on, and as it said it before.
_UNKNOWN = re.compile(
    r"(?:No conversion rule found for operations|no translator found for operation\(s\)): (.*)",
    re.IGNORECASE,
)
_FAILED = re.compile(r"-- ([^\n]*) with a message:\s*([^\n]*)")
_SHOWN = 8  # operations that an error lists


def write_openvino(exported: Exported, path: Path) -> InferenceFunction:
    """Write the files of an export, and return the function in the form it has there.

    A SavedModel is read rather than an ONNX file: OpenVINO does not convert the loops of recurrent
    layers from ONNX.

    Raises:
        ExportError: naming what OpenVINO cannot convert.
    """
    package = openvino()  # first of all, as it may be missing
    function = portable(exported.plain)
    with temporary_folder(path.parent) as folder:
        write_saved_model(Exported(function), Path(folder))
        try:
            model = _named(package, package.convert_model(folder), function)
            package.save_model(model, str(path), compress_to_fp16=False)
        except Exception as error:  # its errors share no public base class
            raise ExportError(_explained(error, function)) from error
    return function


def _named(package: Any, model: Any, function: InferenceFunction) -> Any:
    """Return the model with the inputs and outputs of `function`, in its order and by its names."""
    parameters = [model.input(spec.name).get_node() for spec in function.signature.specs]
    results = list(model.get_results())
    ordered_results = []
    for info in function.outputs:  # two outputs may be one tensor, which has both names then
        found = next(each for each in results if info.name in each.input_value(0).get_names())
        results.remove(found)
        ordered_results.append(found)
    for parameter, info in zip(parameters, function.inputs, strict=True):
        parameter.output(0).get_tensor().add_names({info.name})  # as TensorFlow may not take it
    ordered = package.Model(ordered_results, parameters, function.name)
    stripped = [asdict(row) for row in rates_of(function.model)]
    ordered.set_rt_info(json.dumps(stripped), ["keras_dropouts", "stripped"])
    ordered.set_rt_info(json.dumps(versions()), ["keras_dropouts", "versions"])
    return ordered


def _explained(error: Exception, function: InferenceFunction) -> str:
    """Return one sentence for an error of OpenVINO."""
    text = str(error)
    unknown = _UNKNOWN.search(text)
    if unknown:
        listed = list(_operations(function, set(unknown.group(1).split(", "))))
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        return (
            f"The model uses operations that OpenVINO has no counterpart for: "
            f"{', '.join(listed[:_SHOWN]) or unknown.group(1)}{more}. Export it with `export_onnx` "
            f"or `export_saved_model`, or replace the layer."
        )
    failed = _FAILED.search(text)
    said = f"{failed.group(1)}: {failed.group(2)}" if failed else reason(error)
    return f"OpenVINO cannot convert the model: {said}"


def _operations(function: InferenceFunction, kinds: set[str]) -> Iterator[str]:
    """Yield "Svd in 'layer/Svd'" for each operation of a function that is of one of `kinds`."""
    graph = function.concrete.graph.as_graph_def()
    for nodes in (graph.node, *(each.node_def for each in graph.library.function)):
        yield from (f"{node.op} in {node.name!r}" for node in nodes if node.op in kinds)
