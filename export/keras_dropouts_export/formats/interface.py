"""Defines what a server is told of an artifact: inputs, outputs, names of classes, a self-test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from keras_dropouts_export.formats.format import Run
from keras_dropouts_export.tracing.inference_function import TensorInfo


@dataclass(frozen=True)
class Interface:
    """What an artifact takes and returns, as its own file says.

    inputs, outputs: name, shape and dtype of each; labels: the names of the classes along the last
    axis, by the name of the output, for outputs with a number for each class; files: every file
    that the artifact takes, the main one first; run: asks the artifact's own runtime.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    files: tuple[Path, ...]
    run: Run
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
