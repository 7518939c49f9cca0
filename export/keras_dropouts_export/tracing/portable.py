"""The form of an inference function that ONNX can hold: functions inlined, bfloat16 widened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import AutocastScope

from keras_dropouts_export.tracing.inference_function import InferenceFunction, trace
from keras_dropouts_export.tracing.signature import Signature, unique_names

Forward = Callable[[list[Any]], Any]

CALLS = frozenset({"StatefulPartitionedCall", "PartitionedCall", "XlaLaunch"})


def portable(function: InferenceFunction, weights: Sequence[Any] = ()) -> InferenceFunction:
    """Return `function`, traced anew where ONNX could not hold it as it is.

    Calls of functions that TensorFlow compiles (grouped convolutions of Keras) are written out, as
    freezing does not inline them. bfloat16 becomes float32, the interface included: onnxruntime
    has no kernels for it on the CPU.

    Args:
        weights: Keras variables that become inputs, after the function's own, called by their
            paths.
    """
    operations = function.concrete.graph.get_operations()
    calls = any(each.type in CALLS for each in operations)
    narrow = any(tensor.dtype == tf.bfloat16 for each in operations for tensor in each.outputs)
    if function.forward is None or not (calls or narrow or weights):
        return function
    with ExitStack() as stack:
        stack.enter_context(inlined())
        if narrow:
            stack.enter_context(widened(function.model))
        own = replace(
            function.signature, specs=[widened_spec(each) for each in function.signature.specs]
        )
        forward = _with_weights(function.forward, weights)
        return trace(function.model, with_weight_inputs(own, weights), forward)


def with_weight_inputs(signature: Signature, weights: Sequence[Any]) -> Signature:
    """Return a signature with Keras variables as more inputs, called by their paths."""
    specs = [
        tf.TensorSpec(each.shape, each.dtype, name=f"weight_{i}") for i, each in enumerate(weights)
    ]
    names = unique_names([each.path for each in weights], signature.names)
    return replace(signature, specs=signature.specs + specs, names=signature.names + names)


@contextmanager
def in_place_of(weights: Sequence[Any], values: Sequence[Any]) -> Iterator[None]:
    """Read `values` where a Keras layer reads its variables `weights`."""
    if not weights:
        yield
        return
    with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
        yield


def _with_weights(forward: Forward, weights: Sequence[Any]) -> Forward:
    """Return `forward` with the values of `weights` as more inputs."""

    def call(inputs: list[Any]) -> Any:
        own = len(inputs) - len(weights)
        with in_place_of(weights, inputs[own:]):
            return forward(inputs[:own])

    return call


@contextmanager
def inlined() -> Iterator[None]:
    """Call what is inside a trace as plain Python, so that its operations are in the one graph."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def widened(model: keras.Model) -> Iterator[None]:
    """Compute in float32 what `model` computes in bfloat16."""
    narrow = [each for each in model._flatten_layers() if each.compute_dtype == "bfloat16"]
    before = [each._dtype_policy for each in narrow]
    try:
        for layer in narrow:
            layer._dtype_policy = keras.DTypePolicy("float32")
        with AutocastScope("float32"):  # weights that are bfloat16 themselves
            yield
    finally:
        for layer, policy in zip(narrow, before, strict=True):
            layer._dtype_policy = policy


def widened_spec(spec: Any) -> Any:
    """Return a spec with float32 in place of bfloat16."""
    if spec.dtype != tf.bfloat16:
        return spec
    return tf.TensorSpec(spec.shape, tf.float32, name=spec.name)
