"""Defines what is packaged: an artifact, what it takes, and a request that was run on it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from keras_dropouts_export.formats.interface import Interface
from keras_dropouts_export.serving.sample_request import Sample

MODEL = "model.onnx"  # the name that servers look for


@dataclass(frozen=True)
class Packaging:
    """One artifact on its way to a server.

    path: as the user wrote it; name: what the server calls the model; storage_uri: None, or where a
    cluster finds the model.
    """

    path: str
    name: str
    interface: Interface
    sample: Sample
    max_batch_size: int
    storage_uri: str | None = None

    def copy_model(self, folder: Path) -> None:
        """Copy the artifact, which is called `MODEL` there, and the file with its weights."""
        main, *others = self.interface.files
        shutil.copyfile(main, folder / MODEL)
        for each in others:  # the main file knows them by these names
            shutil.copyfile(each, folder / each.name)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON text, numbers without a digit lost."""
    path.write_text(json.dumps(value, allow_nan=False) + "\n", encoding="utf-8")
