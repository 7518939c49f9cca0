"""Defines the ONNX format: one file, and a second one beside it for large weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dropouts.arguments import check_choice, invalid, is_integer
from keras_dropouts_export.destination.layout import Move
from keras_dropouts_export.formats.finding import Findings, RuntimeFinding
from keras_dropouts_export.formats.format import Arrays, Exported, Format, Run
from keras_dropouts_export.formats.interface import Interface
from keras_dropouts_export.formats.onnx import (
    large_weights_files,
    low_precision,
    onnx_audit,
    onnx_file,
    onnx_interface,
    onnx_runtime,
    onnx_writer,
    runtime_limits,
)
from keras_dropouts_export.formats.onnx.large_weights import data_file
from keras_dropouts_export.formats.onnx.tf2onnx import adapter, draw_nodes
from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import MINIMUM_OPSET
from keras_dropouts_export.monte_carlo.sampled_function import MOMENTS
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_NATIVE_MAXIMUM_OPSET = 21


@dataclass(frozen=True)
class OnnxFormat(Format):
    """An .onnx file.

    opset: version of ONNX's operations, an integer from 13 to 25, or to the last that the installed
    onnx knows; dtype: None, or "float16" for the numbers inside; quantize: None, or "int8" for the
    weights.
    """

    opset: int = 18
    dtype: str | None = None
    quantize: str | None = None

    name = "onnx"
    suffixes = (".onnx",)
    carries_self_test = True
    title = "an .onnx file"

    def __post_init__(self) -> None:
        low, high = adapter.MINIMUM_OPSET, adapter.MAXIMUM_OPSET
        if not is_integer(self.opset) or not low <= self.opset <= high:
            raise invalid("opset", f"an integer from {low} to {high}", self.opset)
        check_choice(self.dtype, "dtype", (None, "float32", "float16"))
        check_choice(self.quantize, "quantize", (None, "int8"))
        if self.dtype == "float16" and self.quantize is not None:
            raise invalid(
                "quantize", "None with dtype='float16': a file is one or the other", "int8"
            )

    def describe(self) -> str:
        lowered = f", {self.lowered_to}" if self.lowered_to else ""
        return f"ONNX, opset {self.opset}{lowered}"

    @property
    def lowered_to(self) -> str | None:
        return self.quantize or ("float16" if self.dtype == "float16" else None)

    def lower(self, path: Path, batches: Iterator[Arrays] | None) -> None:
        if self.quantize:
            low_precision.to_int8(path, batches)
        else:
            low_precision.to_float16(path, MOMENTS)

    def drawn_in(self, path: Path, inputs: Arrays) -> Arrays:
        graph = onnx_file.read(path, weights=False).graph
        names = [node.output[0] for node in graph.node if draw_nodes.is_draw(node)]
        return onnx_runtime.inner_values(path, names, inputs)

    def put_self_test(self, path: Path, text: str) -> None:
        onnx_writer.put_self_test(path, text)

    def files(self, path: Path) -> tuple[Path, ...]:
        return path, data_file(path)

    def foreign(self, path: Path) -> tuple[Path, ...]:
        return large_weights_files.foreign(path)

    def moves(self, made: Path, target: Path) -> Sequence[Move]:
        return large_weights_files.moves(made, target)

    def recognizes(self, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in self.suffixes

    def check_sampling(self, sampling: MonteCarlo) -> None:
        if sampling.seeded and self.opset < MINIMUM_OPSET:
            raise invalid(
                "opset",
                f"{MINIMUM_OPSET} or above with `samples`, as the generator needs BitwiseXor",
                self.opset,
                'Pass rng="native" to go without seeds.',
            )
        if not sampling.seeded and self.opset > _NATIVE_MAXIMUM_OPSET:
            raise invalid(
                "opset",
                f"{_NATIVE_MAXIMUM_OPSET} or below with rng='native', as onnxruntime has no later "
                f"RandomUniformLike",
                self.opset,
            )

        if not sampling.seeded and self.lowered_to:
            expected = f"'philox' or 'portable' with {self.lowered_to}, to measure what is lost"
            raise invalid("rng", expected, sampling.rng)

    def write(self, exported: Exported, path: Path) -> InferenceFunction:
        return onnx_writer.write_onnx(exported, path, self.opset)

    def allowed_operations(self, sampling: MonteCarlo | None) -> tuple[str, ...]:
        return ("RandomUniformLike",) if sampling is not None and not sampling.seeded else ()

    def findings(self, path: Path) -> Findings:
        return onnx_audit.findings(path)

    def runtime_findings(self, path: Path, runtime: str) -> tuple[RuntimeFinding, ...]:
        return runtime_limits.runtime_findings(path, runtime)

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        return onnx_runtime.session_runs(path, function)

    def precision_in(self, path: Path) -> str | None:
        return low_precision.precision_in(onnx_file.read(path, weights=False))

    def sampling_in(self, path: Path) -> str | None:
        return onnx_writer.sampling_in(onnx_file.read(path, weights=False))

    def decided_in(self, path: Path) -> str | None:
        return onnx_writer.decided_in(onnx_file.read(path, weights=False))

    def self_test_in(self, path: Path) -> str | None:
        return onnx_writer.self_test_in(onnx_file.read(path, weights=False))

    def interface(self, path: Path) -> Interface:
        return onnx_interface.interface(path, self.files(path))

    def inner_values(self, path: Path, names: Sequence[str], inputs: Arrays) -> Arrays:
        return onnx_runtime.inner_values(path, names, inputs)

    def on_providers(self, providers: tuple[str, ...]) -> OnnxFormat:
        return _OnProviders(providers=onnx_runtime.known_providers(providers))


@dataclass(frozen=True)
class _OnProviders(OnnxFormat):
    """The format, whose files run on execution providers of onnxruntime other than its CPU."""

    providers: tuple[str, ...] = ()

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        return onnx_runtime.session_runs(path, function, self.providers)
