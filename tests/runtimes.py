"""Runs exported artifacts as a server does, and compares their answers with those of the model.

An export raises before it returns a report that is not `ok`, so a test must ask a runtime itself.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

import keras_dropouts_export as kde
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts_export.tracing.inference_mode import inference_mode
from keras_dropouts_export.tracing.signature import input_signature

Arrays = dict[Any, np.ndarray]  # by name

# (atol, rtol) of what is computed in a dtype; rtol is of the largest number of an output.
TOLERANCE = {
    "float64": (1e-7, 1e-6),
    "float32": (1e-5, 1e-4),
    "float16": (2e-3, 1e-2),
    "bfloat16": (2e-2, 5e-2),
}
LENGTH = 12  # of a dynamic dimension


def answers(path: Path | str, inputs: Arrays) -> Arrays:
    """Return what onnxruntime, or the reloaded SavedModel, answers to inputs by name."""
    if Path(path).suffix == ".onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    specs = served.structured_input_signature[1]
    arguments = {re.sub(r"\W", "_", name): x for name, x in inputs.items()}  # as TensorFlow names
    tensors = {name: tf.cast(x, specs[name].dtype) for name, x in arguments.items()}
    return {name: _array(value) for name, value in served(**tensors).items()}


def assert_close(got: Arrays, wanted: Arrays, precision: str = "float32") -> None:
    """Assert that answers are the wanted ones, as far as the dtype they are computed in allows."""
    assert sorted(got) == sorted(wanted)
    for name, value in wanted.items():
        one, other = _array(got[name]), _array(value)
        assert one.shape == other.shape, name
        if other.dtype.kind != "f":
            np.testing.assert_array_equal(one, other, err_msg=name)
            continue
        dtypes = {precision, other.dtype.name} & set(TOLERANCE)
        atol, rtol = max(TOLERANCE[dtype] for dtype in dtypes)
        largest = np.abs(other[np.isfinite(other)].astype("float64")).max(initial=0.0)
        np.testing.assert_allclose(
            one.astype("float64"),
            other.astype("float64"),
            atol=atol + rtol * largest,
            rtol=0.0,
            err_msg=name,
        )


def assert_serves(
    model: keras.Model,
    report: kde.ExportReport,
    inputs: Arrays | None = None,
    signature: Any = None,
    told: bool = True,
    eager: bool = True,
) -> None:
    """Assert that an artifact answers what `model(inputs, training=False)` is.

    `signature` is the `input_signature` of the export. `told` says whether the layers of the model
    do as they are told by `training=False`; those that do not are made to. Without `eager` the
    model runs in a graph, as there are operations that TensorFlow has there alone.
    """
    inputs = inputs_for(report) if inputs is None else inputs
    given = input_signature(model, signature)
    values = [
        tf.cast(inputs[info.name], spec.dtype)
        for info, spec in zip(report.inputs, given.specs, strict=True)
    ]

    def call(flat: list[Any]) -> Any:
        return given.call(model, flat)

    with nullcontext() if told else inference_mode(model):
        made = (call if eager else tf.function(call, autograph=False))(values)
    outputs = [x for x in keras.tree.flatten(made) if tf.is_tensor(x)]
    wanted = zip((info.name for info in report.outputs), outputs, strict=True)
    assert_close(answers(report.path, inputs), dict(wanted), lowest_precision(model))


def inputs_for(report: kde.ExportReport, batch: int = 3, length: int = LENGTH) -> Arrays:
    """Return seeded inputs by name for an artifact; integers are 0 or 1, which any table has."""
    random = np.random.default_rng(8)
    inputs = {}
    for info in report.inputs:
        shape = [length if axis else batch for axis in range(len(info.shape))]
        shape = [own or other for own, other in zip(info.shape, shape, strict=True)]
        if info.dtype == "bool" or "int" in info.dtype:
            inputs[info.name] = random.integers(0, 2, shape).astype(info.dtype)
        else:
            dtype = "float32" if info.dtype == "bfloat16" else info.dtype
            inputs[info.name] = random.standard_normal(shape).astype(dtype)
    return inputs


def lowest_precision(model: keras.Model) -> str:
    """Return the least precise dtype that a layer of a model computes in."""
    names = list(TOLERANCE)
    used = {layer.compute_dtype for layer in parts(model)} & set(names)
    return max(used, key=names.index, default="float32")


def _array(value: Any) -> np.ndarray:
    """Return a value as an array of NumPy, which has no bfloat16 of its own."""
    if tf.is_tensor(value) and value.dtype == tf.bfloat16:
        value = tf.cast(value, "float32")
    return np.asarray(keras.ops.convert_to_numpy(value))
