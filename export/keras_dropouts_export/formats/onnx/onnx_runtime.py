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

_SUFFIX = "ExecutionProvider"
_PROVIDERS = ["CPUExecutionProvider"]


def session_runs(
    path: Path, function: InferenceFunction, providers: Sequence[str] = ()
) -> dict[str, Run]:
    """Return what runs a file, by the name of the runtime; it is loaded when it first runs.

    providers: execution providers of onnxruntime, none for its CPU.
    """
    levels = onnxruntime.GraphOptimizationLevel
    name = " ".join(["onnxruntime", *(each.removesuffix(_SUFFIX) for each in providers)])
    return {
        name: _Session(path, function, levels.ORT_ENABLE_ALL, providers),
        f"{name} plain": _Session(path, function, levels.ORT_DISABLE_ALL, providers),
    }


def known_providers(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the full names of execution providers: "cuda" is CUDAExecutionProvider.

    Raises:
        ValueError: if the onnxruntime that is installed has no such provider.
    """
    known = onnxruntime.get_available_providers()
    by_name = {each.lower(): each for each in known}
    by_name |= {each.removesuffix(_SUFFIX).lower(): each for each in known}
    missing = [each for each in asked if each.lower() not in by_name]
    if missing:
        raise invalid(
            "providers",
            f"execution providers that this onnxruntime has: {', '.join(known)}",
            list(asked),
            "Another build of onnxruntime has others (onnxruntime-gpu: CUDA).",
        )
    return tuple(by_name[each.lower()] for each in asked)


def _options(level: Any) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3  # errors alone
    return options


def session(path: Path, level: Any, providers: Sequence[str] = ()) -> onnxruntime.InferenceSession:
    """Return a session of onnxruntime, silent but for errors; on the CPU where none is named.

    Raises:
        ValueError: if onnxruntime does not load the file, or does not start a provider.
    """
    options = _options(level)
    if data_file(path).exists():  # without this it would keep a second copy of the weights
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        made = onnxruntime.InferenceSession(str(path), options, list(providers) or _PROVIDERS)
    except Exception as error:  # onnxruntime's own errors share no public base class
        raise invalid(
            "path", "a file that onnxruntime loads", str(path), f"It does not: {error}"
        ) from error
    left_out = [each for each in providers if each not in made.get_providers()]
    if left_out:  # onnxruntime goes on with the others, and says so in its log alone
        raise invalid(
            "providers",
            "execution providers that onnxruntime can start on this machine",
            list(providers),
            f"It did not start {', '.join(left_out)}.",
        )
    return made


class _Session:
    """An ONNX file in onnxruntime, loaded when it first runs."""

    def __init__(
        self, path: Path, function: InferenceFunction, level: Any, providers: Sequence[str]
    ) -> None:
        self.path, self.function, self.level = path, function, level
        self.providers = providers
        self.loaded: Any = None

    def __call__(self, inputs: Arrays) -> Arrays:
        if self.loaded is None:
            self.loaded = session(self.path, self.level, self.providers)
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
