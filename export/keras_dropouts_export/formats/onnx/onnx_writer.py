"""Writes a traced function as an ONNX file, with Monte-Carlo dropout or without."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import onnx

from keras_dropouts_export.decided_outputs import CALIBRATION
from keras_dropouts_export.formats.format import Exported
from keras_dropouts_export.formats.onnx import large_weights
from keras_dropouts_export.formats.onnx.descriptions import LABELS, describe
from keras_dropouts_export.formats.onnx.graph_edits import keep_zeros, name_interface, set_metadata
from keras_dropouts_export.formats.onnx.onnx_file import write
from keras_dropouts_export.formats.onnx.tf2onnx import adapter
from keras_dropouts_export.formats.onnx.tf2onnx.draw_nodes import SAMPLERS
from keras_dropouts_export.formats.onnx.tf2onnx.gru_nodes import grus_marked, has_gru
from keras_dropouts_export.monte_carlo.sampled_function import sampled_function
from keras_dropouts_export.options import METADATA
from keras_dropouts_export.provenance import rates_of, versions
from keras_dropouts_export.tracing.inference_function import InferenceFunction
from keras_dropouts_export.tracing.portable import portable

SELF_TEST = "keras_dropouts.self_test"  # the key of the self-test in a file's metadata
_ALLOWS_ZERO = 14  # from which opset on a Reshape can be told that 0 is a size
# The keys that files of the first development versions have.
_FORMER_METADATA = ("keras_dropouts.monte_carlo.predict", "keras_dropouts.monte_carlo.mc_predict")


def write_onnx(exported: Exported, path: Path, opset: int) -> InferenceFunction:
    """Write the served function of an export to `path`, and return it in the form it has there.

    Raises:
        ExportError: naming the operations and layers that ONNX has no counterpart for.
    """
    weights = large_weights.large_weights(exported.plain.model)
    with grus_marked():
        again = exported.sampling is None and has_gru(exported.plain.model)
        function = portable(_drawn_by_nodes(exported), weights, again)
    model = adapter.convert(function.concrete, opset, function.name)
    if exported.sampling is not None and opset >= _ALLOWS_ZERO:
        keep_zeros(model)
    own = len(function.inputs) - len(weights)
    inputs, names = list(function.inputs[:own]), [each.name for each in function.inputs[own:]]
    if exported.sampling is not None and not exported.sampling.seeded:
        del inputs[-1], model.graph.input[own - 1]  # the runtime's own generator takes no seed
    weight_inputs = function.inputs[own:]
    name_interface(model, (*inputs, *weight_inputs), function.outputs)
    set_metadata(model, function.name, _metadata(exported))
    describe(model, exported)
    write(model, path, large_weights.put_in(model, path, names, weights))
    return replace(function, inputs=tuple(inputs))


def _drawn_by_nodes(exported: Exported) -> InferenceFunction:
    """Return the served function with draws that the converter turns into ONNX nodes."""
    if exported.sampling is None:
        return exported.plain
    return sampled_function(exported.plain, exported.sampling, SAMPLERS[exported.sampling.rng])


def _metadata(exported: Exported) -> dict[str, str]:
    rates = json.dumps([asdict(row) for row in rates_of(exported.plain.model)])
    found = {"keras_dropouts.versions": json.dumps(versions())}
    if exported.self_test is not None:
        found[SELF_TEST] = exported.self_test
    if exported.served.decided is not None:
        found[CALIBRATION] = exported.served.decided.to_json()
    if exported.labels:
        found[LABELS] = json.dumps(exported.labels)
    if exported.sampling is None:
        return {"keras_dropouts.stripped": rates, **found}
    return {METADATA: exported.sampling.to_json(), "keras_dropouts.kept": rates, **found}


def put_self_test(path: Path, text: str) -> None:
    """Write another self-test into the metadata of a file that has one."""
    model = onnx.load(str(path))
    for each in model.metadata_props:
        if each.key == SELF_TEST:
            each.value = text
    onnx.save(model, str(path))


def self_test_in(model: onnx.ModelProto) -> str | None:
    """Return the self-test that a file carries, as JSON text, None where it has none."""
    return {each.key: each.value for each in model.metadata_props}.get(SELF_TEST)


def decided_in(model: onnx.ModelProto) -> str | None:
    """Return what a file says of its outputs beside them, as JSON text, or None."""
    return {each.key: each.value for each in model.metadata_props}.get(CALIBRATION)


def sampling_in(model: onnx.ModelProto) -> str | None:
    """Return how a file samples, as JSON text, None where it holds no dropout."""
    properties = {each.key: each.value for each in model.metadata_props}
    found = (properties[key] for key in (METADATA, *_FORMER_METADATA) if key in properties)
    return next(found, None)
