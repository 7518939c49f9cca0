"""Traces a function of a model again with what is decided of its outputs beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_dropouts.types import Tensor
from keras_dropouts_export.decided_outputs import DecidedOutputs
from keras_dropouts_export.tracing.inference_function import InferenceFunction, trace


def deciding(plain: InferenceFunction, decided: DecidedOutputs) -> InferenceFunction:
    """Return `plain` with the outputs that `decided` adds, after its own.

    Raises:
        ExportError: if it cannot be traced.
    """
    forward = plain.forward
    if forward is None:
        raise ValueError("The function was not traced of a model.")
    own = [each.name for each in plain.outputs]
    added: list[str] = []

    def with_decisions(inputs: list[Tensor]) -> list[Tensor]:
        made = [x for x in keras.tree.flatten(forward(inputs)) if tf.is_tensor(x)]
        extra = decisions(decided, dict(zip(own, made, strict=True)))
        added[:] = extra
        return [*made, *extra.values()]

    def names(_: Any, __: Any) -> list[str]:
        return [*own, *added]

    function = trace(plain.model, plain.signature, with_decisions, names)
    return replace(
        function,
        decided=decided,
        added=tuple(added),
        chosen=plain.chosen,
        output_structure=plain.output_structure,  # what `serve` of a SavedModel returns
    )


def decisions(decided: DecidedOutputs, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs that are added: traced where a function is, and else made by NumPy.

    So an artifact is compared with another computation than the one that it was written from.
    """
    if not tf.executing_eagerly():
        return decided.served(outputs, ops)
    arrays = {name: _array(x) for name, x in outputs.items()}
    return {name: tf.constant(x) for name, x in decided.served(arrays, np).items()}


def _array(x: Tensor) -> np.ndarray:
    wide = tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x
    return np.asarray(wide.numpy())
