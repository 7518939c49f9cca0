"""The programs that serve an artifact: onnxruntime, optimized and not, and TensorFlow itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.audit import artifact_format
from keras_dropouts_export.destination import data_file
from keras_dropouts_export.tracing.inference_function import InferenceFunction

Run = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def runners(path: Path, function: InferenceFunction) -> dict[str, Run]:
    """Return a function by the name of the runtime, for each way to serve an artifact.

    Raises:
        ValueError: if the artifact cannot be loaded, or has other inputs or outputs than
            `function`.
    """
    if artifact_format(path) == "saved_model":
        return {"SavedModel": _saved_model(path, function)}
    levels = onnxruntime.GraphOptimizationLevel
    return {
        "onnxruntime": _Session(path, function, levels.ORT_ENABLE_ALL),
        "onnxruntime plain": _Session(path, function, levels.ORT_DISABLE_ALL),
    }


def session(path: Path, level: Any) -> onnxruntime.InferenceSession:
    """Return a session of onnxruntime on the CPU, silent but for errors.

    Raises:
        ValueError: if onnxruntime does not load the file.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    if data_file(path).exists():  # a second copy of the weights, in another order
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no public base class
        raise invalid(
            "path", "a file that onnxruntime loads", str(path), f"It does not: {error}"
        ) from error


class _Session:
    """An ONNX file in onnxruntime, loaded when it first runs."""

    def __init__(self, path: Path, function: InferenceFunction, level: Any) -> None:
        self.path, self.function, self.level = path, function, level
        self.loaded: Any = None

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.loaded is None:
            self.loaded = session(self.path, self.level)
            names = [each.name for each in self.loaded.get_inputs()]
            _check_names(self.path, self.function, names, self._outputs())
        outputs = self._outputs()
        try:
            values = self.loaded.run(outputs, inputs)
        except Exception as error:  # onnxruntime's own errors share no public base class
            raise invalid(
                "path", "a file that onnxruntime runs", str(self.path), f"It does not: {error}"
            ) from error
        return dict(zip(outputs, values, strict=True))

    def _outputs(self) -> list[str]:
        return [each.name for each in self.loaded.get_outputs()]


def load_saved_model(path: Path) -> Any:
    """Return the object in a SavedModel.

    Raises:
        ValueError: if it cannot be loaded.
    """
    try:
        return tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise invalid("path", "a whole SavedModel", str(path), f"It is not: {error}") from error


def _saved_model(path: Path, function: InferenceFunction) -> Run:
    loaded = load_saved_model(path)
    key = function.signature_key
    if key not in loaded.signatures:
        raise invalid(
            "path",
            f"a SavedModel with the signature `{key}`",
            str(path),
            f"It has {sorted(loaded.signatures)}.",
        )
    signature = loaded.signatures[key]
    specs = signature.structured_input_signature[1]
    names = dict(
        zip(function.signature.names, [x.name for x in function.signature.specs], strict=True)
    )
    back = {plain: name for name, plain in names.items()}
    found = [back.get(plain, plain) for plain in specs]
    _check_names(path, function, found, list(signature.structured_outputs))

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        _ = loaded  # its variables live as long as it does
        tensors = {
            names[key]: tf.constant(value, specs[names[key]].dtype) for key, value in inputs.items()
        }
        return {key: value.numpy() for key, value in signature(**tensors).items()}

    return run


def _check_names(
    path: Path, function: InferenceFunction, inputs: list[str], outputs: list[str]
) -> None:
    wanted = [{each.name for each in side} for side in (function.inputs, function.outputs)]
    if [set(inputs), set(outputs)] != wanted:
        raise invalid(
            "path",
            f"an artifact of model {function.name!r}, with inputs {sorted(wanted[0])} and outputs "
            f"{sorted(wanted[1])}",
            str(path),
            f"It has inputs {sorted(inputs)} and outputs {sorted(outputs)}.",
        )
