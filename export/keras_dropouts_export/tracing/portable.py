"""Traces a function again where ONNX cannot hold it: calls are inlined, bfloat16 is widened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import tensorflow as tf

from keras_dropouts.keras_internals.dtypes import computing_in
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_CALLS = frozenset({"StatefulPartitionedCall", "PartitionedCall", "XlaLaunch"})


def portable(
    function: InferenceFunction, weights: Sequence[Any] = (), again: bool = False
) -> InferenceFunction:
    """Return `function`, traced again where ONNX could not hold it as it is.

    Calls of functions that TensorFlow compiles (grouped convolutions of Keras) are written out, as
    freezing does not inline them. bfloat16 becomes float32, the interface included: onnxruntime
    has no kernels for it on the CPU.

    Args:
        weights: Keras variables that become inputs, after the function's own, called by their
            paths.
        again: Whether it is to be traced again in any case.
    """
    operations = function.concrete.graph.get_operations()
    calls = any(each.type in _CALLS for each in operations)
    narrow = any(tensor.dtype == tf.bfloat16 for each in operations for tensor in each.outputs)
    if function.retrace is None or not (calls or narrow or weights or again):
        return function
    with _inlined(), widened(function.model) if narrow else nullcontext():
        return function.retrace(weights)


def _inlined() -> AbstractContextManager[None]:
    """Call what is inside a trace as plain Python, so that its operations are in the one graph.

    `tf.config.run_functions_eagerly` would do it for every thread.
    """

    def as_python(_: Any) -> Any:
        return lambda function, *args, **kwargs: function.python_function(*args, **kwargs)

    return replaced_in_thread(type(tf.function(lambda: None)), "__call__", as_python)


@contextmanager
def widened(model: Any) -> Iterator[None]:
    """Compute in float32 what `model` computes in bfloat16, weights that are bfloat16 included."""
    narrow = [each for each in parts(model) if each.compute_dtype == "bfloat16"]
    with computing_in(narrow, "float32"):
        yield
