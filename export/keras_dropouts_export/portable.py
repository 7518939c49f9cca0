"""The form of an inference function that ONNX can hold: functions inlined, bfloat16 widened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import AutocastScope

from keras_dropouts_export.inference import InferenceFunction, trace

_CALLS = frozenset({"StatefulPartitionedCall", "PartitionedCall", "XlaLaunch"})


def portable(function: InferenceFunction) -> InferenceFunction:
    """Return `function`, traced anew where ONNX could not hold it as it is.

    Calls of functions that TensorFlow compiles (grouped convolutions of Keras) are written out, as
    freezing does not inline them. bfloat16 becomes float32, the interface included: onnxruntime
    has no kernels for it on the CPU.
    """
    graph = function.concrete.graph
    operations = graph.get_operations()
    calls = any(each.type in _CALLS for each in operations)
    narrow = any(
        tensor.dtype == tf.bfloat16
        for each in operations
        for tensor in (*each.inputs, *each.outputs)
    )
    if function.forward is None or not (calls or narrow):
        return function
    with ExitStack() as stack:
        stack.enter_context(_inlined())
        if narrow:
            stack.enter_context(_widened(function.model))
        specs = [_widened_spec(each) for each in function.signature.specs]
        signature = replace(function.signature, specs=specs)
        return trace(function.model, signature, function.forward)


@contextmanager
def _inlined() -> Iterator[None]:
    """Call what is inside a trace as plain Python, so that its operations are in the one graph."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def _widened(model: keras.Model) -> Iterator[None]:
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


def _widened_spec(spec: Any) -> Any:
    if spec.dtype != tf.bfloat16:
        return spec
    return tf.TensorSpec(spec.shape, tf.float32, name=spec.name)
