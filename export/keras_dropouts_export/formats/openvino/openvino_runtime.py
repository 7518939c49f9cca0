"""Imports OpenVINO without its telemetry, and runs its models on the CPU in float32."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays, check_names, unreadable
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_TELEMETRY = "openvino_telemetry"
# Without this a processor with bfloat16 instructions computes in bfloat16.
_PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}


def openvino() -> Any:
    """Return the package openvino, imported so that it sends nothing.

    It reports its import and each conversion to its makers through the package openvino_telemetry,
    and goes without where that is missing; so it is kept from finding it.

    Raises:
        ModuleNotFoundError: saying what to install, if it is missing.
    """
    if find_spec("openvino") is None:
        raise ModuleNotFoundError(
            "To export to OpenVINO, or to check such an artifact, the package openvino is needed: "
            "pip install 'keras-dropouts[openvino]'",
            name="openvino",
        )
    hide = "openvino" not in sys.modules and _TELEMETRY not in sys.modules
    if hide:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # an import of it fails
    try:
        return import_module("openvino")
    finally:
        if hide:
            del sys.modules[_TELEMETRY]


def reason(error: Exception) -> str:
    """Return the last line of an error of OpenVINO; those before say where in its code it arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class CompiledRun:
    """A model of OpenVINO on the CPU, loaded when it first runs."""

    def __init__(self, path: Path, function: InferenceFunction) -> None:
        self.path, self.function = path, function
        self.compiled: Any = None

    def __call__(self, inputs: Arrays) -> Arrays:
        if self.compiled is None:
            self.compiled = self._load()
        ports = {each.name: self.compiled.output(each.name) for each in self.function.outputs}
        try:
            values = self.compiled({name: np.asarray(value) for name, value in inputs.items()})
        except RuntimeError as error:
            raise invalid(
                "path", "a file that OpenVINO runs", str(self.path), f"It does not: {reason(error)}"
            ) from error
        return {name: np.array(values[port]) for name, port in ports.items()}

    def _load(self) -> Any:
        try:
            compiled = openvino().Core().compile_model(str(self.path), "CPU", _PRECISION)
        except RuntimeError as error:  # of a file that is cut off, or has an unknown layer
            raise unreadable(self.path, ".xml file of OpenVINO", reason(error)) from error
        inputs = _names(compiled.inputs, {each.name for each in self.function.inputs})
        outputs = _names(compiled.outputs, {each.name for each in self.function.outputs})
        check_names(self.path, self.function, inputs, outputs)
        return compiled


def _names(ports: Any, wanted: set[str]) -> list[str]:
    """Return those names of each port that are wanted, or one of its names if none is."""
    return [
        name
        for port in ports
        for name in (sorted(port.get_names() & wanted) or [port.get_any_name()])
    ]
