"""The formats that an artifact may have: a folder for each, and a row for each in the table here.

Nothing heavy is imported before a format is used, so the command line can show the table at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_dropouts.arguments import invalid

if TYPE_CHECKING:
    from keras_dropouts_export.formats.format import Format


@dataclass(frozen=True)
class Row:
    """What is known of a format before it is imported.

    name: what the command line and reports call it; suffixes: how its file names end, in small
    letters, none for a folder; title: what it is, in a sentence; options: the options of an
    export that it alone takes; home: the module and the class.
    """

    name: str
    suffixes: tuple[str, ...]
    title: str
    options: tuple[str, ...]
    home: tuple[str, str]

    def make(self, **options: Any) -> Format:
        """Return the format with these options.

        Raises:
            ValueError: if an option is of the wrong type or out of its range.
        """
        module, kind = self.home
        return getattr(import_module(f"{__name__}.{module}"), kind)(**options)


TABLE = (
    Row(
        "onnx",
        (".onnx",),
        "an .onnx file",
        ("opset", "rng", "dtype", "quantize", "representative_inputs"),
        ("onnx.onnx_format", "OnnxFormat"),
    ),
    Row(
        "saved_model",
        (),
        "a SavedModel folder",
        ("second_process",),
        ("saved_model.saved_model_format", "SavedModelFormat"),
    ),
    Row("litert", (".tflite",), "a .tflite file", (), ("litert.litert_format", "LiteRTFormat")),
    Row(
        "openvino",
        (".xml",),
        "an .xml file of OpenVINO",
        (),
        ("openvino.openvino_format", "OpenVINOFormat"),
    ),
)
_NOT_FOLDERS = (".keras", ".h5", ".hdf5", ".pb")  # suffixes of files that are no artifacts of ours


def named(name: str) -> Row:
    """Return the row of a format.

    Raises:
        ValueError: if there is no format of that name.
    """
    for row in TABLE:
        if row.name == name:
            return row
    raise invalid("format", f"one of {', '.join(repr(row.name) for row in TABLE)}", name)


def by_suffix(path: str | os.PathLike[str]) -> Row:
    """Return the format that the suffix of a path asks for; no suffix asks for a folder.

    Raises:
        ValueError: if no format has that suffix.
    """
    suffix = Path(path).suffix.lower()
    for row in TABLE:
        if suffix in row.suffixes or (not suffix and not row.suffixes):
            return row
    known = ", ".join(each for row in TABLE for each in row.suffixes)
    raise invalid(
        "path",
        f"a name that ends in one of {known}, or a name without a suffix for a SavedModel folder",
        str(path),
        "Pass `format` (on the command line, `--format`) to give the artifact another name.",
    )


def taken_suffixes() -> tuple[str, ...]:
    """Return the suffixes that a folder must not have, since they say that it is a file."""
    return (*_NOT_FOLDERS, *(each for row in TABLE for each in row.suffixes))


def format_at(path: str | os.PathLike[str]) -> Format:
    """Return the format of an artifact on disk.

    Raises:
        FileNotFoundError: if nothing is there.
        ValueError: if what is there is of no format that is known.
    """
    expected = " or ".join(row.title for row in TABLE)
    if not isinstance(path, (str, os.PathLike)):
        raise invalid("path", "a path", path)
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(str(invalid("path", f"{expected} that exists", str(path))))
    for row in TABLE:
        found = row.make()
        if found.recognizes(place):
            return found
    raise invalid("path", expected, str(path))
