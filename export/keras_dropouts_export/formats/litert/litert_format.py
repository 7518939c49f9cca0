"""Defines the LiteRT format: one .tflite file of builtin operations, for small devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.finding import Findings
from keras_dropouts_export.formats.format import Exported, Format, Run
from keras_dropouts_export.formats.litert import litert_audit, litert_runtime, litert_writer
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction


@dataclass(frozen=True)
class LiteRTFormat(Format):
    """A .tflite file; it has no options of its own."""

    name = "litert"
    suffixes = (".tflite",)
    title = "a .tflite file"

    def describe(self) -> str:
        return "LiteRT"

    def recognizes(self, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in self.suffixes

    def check_sampling(self, sampling: MonteCarlo) -> None:
        raise invalid(
            "samples",
            "None for LiteRT, whose builtin operations have no generator that takes a seed, and "
            "none to build one of: no unsigned integers of 64 bits and no shift to the left",
            sampling.samples,
            "Export the samples with `export_onnx` or `export_saved_model`.",
        )

    def write(self, exported: Exported, path: Path) -> InferenceFunction:
        return litert_writer.write_litert(exported, path)

    def findings(self, path: Path) -> Findings:
        return litert_audit.findings(path)

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        return litert_runtime.interpreter_runs(path, function)
