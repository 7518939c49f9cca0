"""Collects what an artifact and a report say of their origin: rates, versions of packages."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from keras_dropouts.surgery.sources import noise_sources

_PACKAGES = ("keras-dropouts", "keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy")
_OPTIONAL = ("ai-edge-litert", "openvino")  # of formats that not everyone exports to


@dataclass(frozen=True)
class Rate:
    """One rate of a model that was exported."""

    path: str
    layer: str
    rate: float


def rates_of(model: Any) -> tuple[Rate, ...]:
    """Return the rates of `model`: what an artifact is without, or what it samples with."""
    return tuple(
        Rate(source.path, type(source.layer).__name__, source.rate)
        for source in noise_sources(model)
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that made an artifact."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            found[package] = "unknown"
    for package in _OPTIONAL:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
