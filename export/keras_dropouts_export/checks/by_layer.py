"""Finds the layer where an artifact begins to differ from its model, by its inner tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dropouts_export.checks.artifact_process import Runtime
from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.layer_names import layer_of
from keras_dropouts_export.tracing.freezing import frozen
from keras_dropouts_export.tracing.inference_function import InferenceFunction


@dataclass(frozen=True)
class LayerError:
    """The largest error of the tensors of one layer, in the order that the layers run."""

    layer: str
    error: float
    scale: float  # the largest absolute value of the model's tensors

    @property
    def relative(self) -> float:
        """The error as a part of the scale."""
        return self.error / max(self.scale, 1e-12)


def errors_by_layer(
    function: InferenceFunction, path: Path, inputs: Arrays, runtime: Runtime
) -> tuple[LayerError, ...]:
    """Return the error of each layer for one set of inputs, in the order of the artifact.

    The tensors that are compared are those that have the same name in the artifact and in the
    traced graph. There are none in a format that keeps no inner names, and in an artifact that was
    made from a model of other names.
    """
    try:
        constant = frozen(function.concrete, function.name, aggressive_inlining=True)
    except ExportError:  # of a graph that a SavedModel holds as it is
        return ()
    known = {
        tensor.name: tensor
        for operation in constant.graph.get_operations()
        for tensor in operation.outputs
        if tensor.dtype.is_floating
    }
    got = runtime.inner_values(path, list(known), inputs)
    if not got:
        return ()
    fetched = constant.prune(constant.inputs, [known[name] for name in got])
    tensors = [tf.constant(inputs[each.name], each.dtype) for each in function.inputs]
    wanted = dict(zip(got, (each.numpy() for each in fetched(*tensors)), strict=True))
    return _grouped(function.name, wanted, got)


def _grouped(model: str, wanted: Arrays, got: Arrays) -> tuple[LayerError, ...]:
    found: dict[str, LayerError] = {}
    for name, value in wanted.items():
        error = _error(got[name], value)
        if error is None:
            continue
        layer = layer_of(name, model)
        before = found.get(layer, LayerError(layer, 0.0, 0.0))
        scale = float(np.abs(value[np.isfinite(value)]).max(initial=0.0))
        found[layer] = LayerError(layer, max(before.error, error), max(before.scale, scale))
    return tuple(found.values())


def _error(got: np.ndarray, wanted: np.ndarray) -> float | None:
    """Return the largest error, or None for a tensor that the file holds in another layout."""
    if got.ndim > 2 and got.shape != wanted.shape:
        got = np.moveaxis(got, 1, -1)  # ONNX has the channels first
    if got.shape != wanted.shape or not wanted.size:
        return None
    return largest_error(got, wanted)


def first_difference(errors: tuple[LayerError, ...], allowed: float) -> LayerError | None:
    """Return the first layer whose error is more than `allowed` of its scale."""
    return next((each for each in errors if not each.relative <= allowed), None)


def plot(errors: tuple[LayerError, ...], allowed: float) -> Any:
    """Return a figure of the error of each layer; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.22 * len(errors)), layout="constrained")
    axes = figure.subplots()
    values = [max(each.relative, 1e-10) for each in errors]
    colours = ["tab:red" if value > allowed else "tab:blue" for value in values]
    axes.barh(range(len(errors)), values, color=colours)
    axes.set_yticks(range(len(errors)), [each.layer for each in errors], fontsize=7)
    axes.invert_yaxis()
    axes.axvline(allowed, color="black", linewidth=1, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlabel("largest error, as a part of the layer's largest value")
    return figure
