"""Defines the SavedModel format: a folder that TensorFlow and TensorFlow Serving load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dropouts_export.formats import taken_suffixes
from keras_dropouts_export.formats.finding import Findings
from keras_dropouts_export.formats.format import Arrays, Exported, Format, Run
from keras_dropouts_export.formats.saved_model import (
    lone_process,
    saved_model_audit,
    saved_model_files,
    saved_model_runtime,
    saved_model_writer,
)
from keras_dropouts_export.monte_carlo.sampled_function import DRAWS
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction


@dataclass(frozen=True)
class SavedModelFormat(Format):
    """A SavedModel folder; it has no options of its own."""

    name = "saved_model"
    suffixes = ()
    title = "a SavedModel folder"
    is_folder = True
    refused_suffixes = taken_suffixes()
    keeps_plain_function = True

    def describe(self) -> str:
        return "SavedModel"

    def recognizes(self, path: Path) -> bool:
        return (path / "saved_model.pb").is_file()

    def foreign(self, path: Path) -> tuple[Path, ...]:
        return saved_model_files.foreign(path)

    def check_function(self, function: InferenceFunction) -> None:
        """Take every function: a SavedModel holds tables of strings."""

    def write(self, exported: Exported, path: Path) -> InferenceFunction:
        saved_model_writer.write_saved_model(exported, path)
        return exported.served

    def allowed_operations(self, sampling: MonteCarlo | None) -> tuple[str, ...]:
        return () if sampling is None else (DRAWS,)

    def findings(self, path: Path) -> Findings:
        return saved_model_audit.findings(path)

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        return {"SavedModel": saved_model_runtime.signature_run(path, function)}

    def answers_apart(
        self, path: Path, function: InferenceFunction, trials: Sequence[Arrays], always: bool
    ) -> dict[str, list[Arrays]]:
        if not (always or lone_process.reaches_outside(path)):
            return {}
        return {"second process": lone_process.answers_alone(path, function, trials)}

    def sampling_in(self, path: Path) -> str | None:
        loaded = saved_model_runtime.load(path)
        return loaded.monte_carlo().numpy().decode() if hasattr(loaded, "monte_carlo") else None

    def decided_in(self, path: Path) -> str | None:
        loaded = saved_model_runtime.load(path)
        return loaded.calibration().numpy().decode() if hasattr(loaded, "calibration") else None
