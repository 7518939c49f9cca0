"""Runs ONNX files in onnxruntime, with its optimizations and without, inner tensors included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays, Run, check_names
from keras_dropouts_export.formats.onnx.large_weights import LARGE, data_file
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_PROVIDERS = ["CPUExecutionProvider"]


def session_runs(path: Path, function: InferenceFunction) -> dict[str, Run]:
    """Return what runs a file, by the name of the runtime; it is loaded when it first runs."""
    levels = onnxruntime.GraphOptimizationLevel
    return {
        "onnxruntime": _Session(path, function, levels.ORT_ENABLE_ALL),
        "onnxruntime plain": _Session(path, function, levels.ORT_DISABLE_ALL),
    }


def _options(level: Any) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3  # errors alone
    return options


def session(path: Path, level: Any) -> onnxruntime.InferenceSession:
    """Return a session of onnxruntime on the CPU, silent but for errors.

    Raises:
        ValueError: if onnxruntime does not load the file.
    """
    options = _options(level)
    if data_file(path).exists():  # without this it would keep a second copy of the weights
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, _PROVIDERS)
    except Exception as error:  # onnxruntime's own errors share no public base class
        raise invalid(
            "path", "a file that onnxruntime loads", str(path), f"It does not: {error}"
        ) from error


class _Session:
    """An ONNX file in onnxruntime, loaded when it first runs."""

    def __init__(self, path: Path, function: InferenceFunction, level: Any) -> None:
        self.path, self.function, self.level = path, function, level
        self.loaded: Any = None

    def __call__(self, inputs: Arrays) -> Arrays:
        if self.loaded is None:
            self.loaded = session(self.path, self.level)
            names = [each.name for each in self.loaded.get_inputs()]
            check_names(self.path, self.function, names, self._outputs())
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


def inner_values(path: Path, names: Sequence[str], inputs: Arrays) -> Arrays:
    """Return the inner tensors with one of `names`, in the order of the file.

    There are none of a file that is too large to be loaded from memory.
    """
    model = onnx.load(str(path))
    wanted = set(names)
    names = [name for node in model.graph.node for name in node.output if name in wanted]
    if not names or model.ByteSize() > LARGE:  # a session could only be made from a file
        return {}
    present = {each.name for each in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in names if name not in present
    )
    options = _options(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    loaded = onnxruntime.InferenceSession(model.SerializeToString(), options, _PROVIDERS)
    return dict(zip(names, loaded.run(names, inputs), strict=True))
