"""Says what a plain Keras export of a model would get wrong, layer by layer, and the way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts.keras_internals.graphs import is_graph, nodes_in_order
from keras_dropouts.keras_internals.layers import parts, training_default
from keras_dropouts.keras_internals.operations import Operation
from keras_dropouts.keras_internals.patching import replaced_in_thread, restored_after_calls
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.sources import (
    is_noise_layer,
    is_removable,
    rate_attributes,
    rates_of_layer,
    walk,
)
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise
from keras_dropouts_export.checks.audit import AuditReport, audit_graph
from keras_dropouts_export.diagnosis import Affected, Diagnosis, DoctorReport, Severity
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.onnx_format import OnnxFormat
from keras_dropouts_export.formats.onnx.tf2onnx import adapter
from keras_dropouts_export.other_backends import is_elsewhere, on_tensorflow
from keras_dropouts_export.tracing.concrete_functions import traced
from keras_dropouts_export.tracing.inference_function import (
    InferenceFunction,
    inference_function,
    served_signature,
)
from keras_dropouts_export.tracing.sample_inputs import SampleInputs
from keras_dropouts_export.tracing.signature import Signature

_OURS = "Export with `export_onnx` or `export_saved_model` of this package"
_SWITCHED_OFF = f"{_OURS}, which switch it off."


def doctor(
    model: keras.Model,
    opset: int = 18,
    *,
    input_signature: Any = None,
    sample_inputs: Any = None,
) -> DoctorReport:
    """Say what would differ between `model.predict` and a plain `model.export`, and why.

    The model is traced as Keras's exporter does, which does not say `training=False`, and what is
    found in the graph is put down to the layers: those that train, draw random numbers or write
    state when served, and operations that tf2onnx alone does not know. Nothing is written and the
    model is not changed. Where Keras runs on JAX or PyTorch, what is said is of the model on
    TensorFlow, where a process of its own examines it.

    Args:
        model: A built Keras model of any kind.
        opset: Version of ONNX's operations, as for `export_onnx`.
        input_signature: As for `export_onnx`.
        sample_inputs: As for `export_onnx`; the model does not run on them here.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the model is not
            built.
        ExportError: if the model cannot be traced.

    Example:
        >>> import keras
        >>> import keras_dropouts_export as kde
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.RandomFlip()])
        >>> kde.doctor(model).findings[0].problem
        'trains'
    """
    OnnxFormat(opset)  # which checks it
    samples = SampleInputs.asked_for(sample_inputs)
    if is_elsewhere():
        signature = served_signature(model, input_signature, samples)
        report: DoctorReport = on_tensorflow(
            _examined, model, signature, opset=opset, signature=signature, samples=samples
        )
        return report
    return _examined(model, None, None, opset, input_signature, samples)


def _examined(
    model: keras.Model, _: Any, __: Any, opset: int, signature: Any, samples: SampleInputs | None
) -> DoctorReport:
    paths = _paths(model)
    warn_of_unknown_noise(model, stacklevel=4)  # what called `doctor`
    function = inference_function(model, signature, samples)
    calls, concrete = _plain_export(model, function.signature)
    findings = [*_training(model, calls, paths)]
    named = {each.path for each in findings}
    findings += _left_in(audit_graph(concrete.graph, model.name), model, paths, named)
    findings += _not_in_onnx(function, opset)
    return DoctorReport(model.name, tuple(findings))


def _paths(model: Any) -> dict[int, str]:
    check_model(model)
    return {id(layer): path for path, layer in walk(model)}


def _plain_export(model: Any, known: Signature) -> tuple[list[tuple[Any, Any]], Any]:
    """Return (layer, what `training` was) of each call, and the graph, as Keras exports them."""
    noted: list[tuple[Any, Any]] = []
    function = tf.function(
        lambda *inputs: keras.tree.flatten(known.call(model, list(inputs), training=None)),
        input_signature=known.specs,
        autograph=False,
    )
    with restored_after_calls(model), _noted(noted):
        concrete = traced(function, model, with_losses=True)
    return noted, concrete


@contextmanager
def _noted(noted: list[tuple[Any, Any]]) -> Iterator[None]:
    """Note each call of a layer with the `training` that Keras decided on."""

    def noting(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self, keras.layers.Layer):
                noted.append((self, kwargs.get("training")))
            return original(self, *args, **kwargs)

        return call

    with replaced_in_thread(Operation, "__call__", noting):
        yield


def _training(model: Any, calls: list[Any], paths: dict[int, str]) -> Iterator[Diagnosis]:
    baked, seen = _baked(model), set()
    leak = ""
    for layer, training in calls:
        if not training or id(layer) not in paths:
            continue
        path, by_default = paths[id(layer)], training_default(layer) is True
        if by_default and not leak:
            leak = path
        what = _what_training_does(layer)
        if what is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        affects: Affected = "export"  # `predict` says training=False, also to a graph's own calls
        if by_default:
            cause = "It trains unless it is told not to, and Keras's exporter does not tell it"
        elif id(layer) in baked:
            cause = "It is called with training=True in the graph"
        elif leak:
            cause = f"training=True leaks to it from {leak!r}, which trains by default"
        else:
            affects = "predict and export"
            cause = "A layer around it calls it with training=True"
        why, kind = f"{cause}: {what}.", type(layer).__name__
        yield Diagnosis(path, kind, "trains", why, _SWITCHED_OFF, affects=affects)


def _baked(model: Any) -> set[int]:
    """Return the ids of layers that a graph in the model calls with training=True."""
    graphs = [each for each in parts(model) if is_graph(each)]
    return {
        id(node.operation)
        for graph in graphs
        for node in nodes_in_order(graph)
        if node.arguments.kwargs.get("training")
    }


def _what_training_does(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.BatchNormalization):
        return "it takes the statistics of the batch, and each call moves its averages"
    if is_removable(layer) or is_noise_layer(layer):
        return "it drops when served"
    if rate_attributes(layer) and not any(rates_of_layer(layer)):
        return None
    if rate_attributes(layer):
        return "its dropout is on when served"
    return "it augments when served" if training_default(layer) is True else None


def _left_in(
    found: AuditReport, model: Any, paths: dict[int, str], named: set[str]
) -> Iterator[Diagnosis]:
    """Put what is random or writes in the graph down to layers that were not named yet."""
    layers = dict(walk(model))
    kinds = (("draws", found.random_ops), ("writes", found.state_writes))
    for problem, operations in kinds:
        for path in dict.fromkeys(_owner(each.name, model, layers, named) for each in operations):
            if path in named:
                continue
            layer = layers.get(path)
            inside = [] if layer is None else parts(layer)
            what = "random numbers" if problem == "draws" else "state"
            why = f"The graph that is served {problem} {what} in it, though nothing trains."
            severity: Severity = "error"
            affects: Affected = "predict and export"
            if any(isinstance(each, keras.layers.RNN) for each in inside):
                severity, affects = "warning", "export"
                why = f"A recurrent layer {problem} {what} for its dropout masks at inference, too."
            elif any(is_noise_layer(each) for each in inside):
                why = f"It {problem} {what} to drop, though nothing trains: its `call` says so."
            kind = type(model if layer is None else layer).__name__
            name = path or model.name
            yield Diagnosis(name, kind, problem, why, _SWITCHED_OFF, severity, affects)


def _owner(operation: str, model: Any, layers: dict[str, Any], named: Collection[str] = ()) -> str:
    """Return the path of the outermost layer whose name is among an operation's scopes.

    One that was named already is preferred.
    """
    top, *scopes = operation.split("/")
    # TensorFlow adds one number to all scopes of a model that it has seen before.
    number = top.removeprefix(model.name)
    names = {scope.removesuffix(number) for scope in scopes}
    matching = [path for path in layers if path.split("/")[-1] in names]
    return min(matching, key=lambda path: (path not in named, path.count("/")), default="")


def _not_in_onnx(function: InferenceFunction, opset: int) -> Iterator[Diagnosis]:
    model, concrete = function.model, function.concrete
    layers = dict(walk(model))
    for operation, name in adapter.unknown_operations(concrete, opset, model.name):
        path = _owner(name, model, layers)
        kind = type(layers.get(path, model)).__name__
        why = (
            f"tf2onnx writes no {operation} ({name}), logs an error and goes on: Keras says "
            f"that it saved a file, and onnxruntime does not load it."
        )
        yield Diagnosis(path or model.name, kind, "unknown op", why, f"{_OURS}.")
    try:
        adapter.convert(concrete, opset, model.name)
    except ExportError as error:
        fix = "Replace the layer, or export with `export_saved_model`."
        yield Diagnosis(model.name, type(model).__name__, "blocked", str(error), fix)
