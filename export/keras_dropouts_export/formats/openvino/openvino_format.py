"""Defines the OpenVINO format: an .xml file with the graph, and a .bin file with the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dropouts.arguments import invalid
from keras_dropouts_export.destination.layout import Move
from keras_dropouts_export.formats.finding import Findings
from keras_dropouts_export.formats.format import Exported, Format, Run
from keras_dropouts_export.formats.openvino import (
    openvino_audit,
    openvino_files,
    openvino_runtime,
    openvino_writer,
)
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction


@dataclass(frozen=True)
class OpenVINOFormat(Format):
    """An .xml file of OpenVINO and the .bin file beside it; it has no options of its own."""

    name = "openvino"
    suffixes = (".xml",)
    title = "an .xml file of OpenVINO"

    def describe(self) -> str:
        return "OpenVINO IR"

    def files(self, path: Path) -> tuple[Path, ...]:
        return path, openvino_audit.weights_file(path)

    def foreign(self, path: Path) -> tuple[Path, ...]:
        return openvino_files.foreign(path)

    def moves(self, made: Path, target: Path) -> Sequence[Move]:
        return openvino_files.moves(made, target)

    def recognizes(self, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in self.suffixes

    def check_sampling(self, sampling: MonteCarlo) -> None:
        raise invalid(
            "samples",
            "None for OpenVINO, which computes unsigned integers of 32 and 64 bits as signed ones "
            "of 32 bits, so a seed would give wrong random numbers without a warning",
            sampling.samples,
            "Export the samples with `export_onnx` or `export_saved_model`.",
        )

    def write(self, exported: Exported, path: Path) -> InferenceFunction:
        return openvino_writer.write_openvino(exported, path)

    def findings(self, path: Path) -> Findings:
        return openvino_audit.findings(path)

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        return {"OpenVINO": openvino_runtime.CompiledRun(path, function)}
