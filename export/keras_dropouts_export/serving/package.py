"""Offers `package`: from an exported file to a folder that a model server loads."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from keras_dropouts.arguments import check_choice, check_integer, check_positive, invalid
from keras_dropouts_export.checks.artifact_process import Apart
from keras_dropouts_export.destination import (
    check_destination,
    put_in_place,
    recover,
    workplace,
)
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Format
from keras_dropouts_export.formats.interface import Interface
from keras_dropouts_export.serving import TARGETS, Target
from keras_dropouts_export.serving.package_folder import REPORT, PackageFolder, files_in
from keras_dropouts_export.serving.package_report import PackageReport
from keras_dropouts_export.serving.packaging import Packaging
from keras_dropouts_export.serving.sample_request import sample_request

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"  # of a folder, on every system
_BATCH = 64  # rows that a server puts together unless it is told another number


def package(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    target: str = "triton",
    *,
    name: str | None = None,
    max_batch_size: int | None = None,
    storage_uri: str | None = None,
    overwrite: bool = False,
    time_limit: float | None = 600.0,
) -> PackageReport:
    """Write what a model server needs to serve an .onnx file, once the file passed its self-test.

    "triton": a model repository, `OUT/<name>` with `config.pbtxt`, `1/model.onnx`, the classes
    in `labels.txt` where the file names them, and a request that was run with the answer to it.
    "kserve": the same in `OUT/model_repository`, and `inference_service.yaml`. "mlflow": a model
    of the flavor `onnx` with signature and input example, which `mlflow models serve` takes.

    In a file with Monte-Carlo dropout every row has its own seed, so a server may put requests
    together. It is told to (`dynamic_batching`) where a trial shows that rows get the same
    answers alone; it does not where the number of rows is fixed, or with `fixed_masks=True`.

    Args:
        path: An .onnx file that `export_onnx` wrote; not with `rng="native"`, which takes no seeds.
        out: The folder to write, in an existing folder.
        target: "triton", "kserve" or "mlflow" (needs the extra `mlflow`).
        name: Not with "mlflow": what the server calls the model; None for the file's name.
        max_batch_size: Not with "mlflow": how many rows the server puts together at most, an
            integer above 0; None for 64.
        storage_uri: With "kserve" alone: the address that the cluster reads the model repository
            from; None for a placeholder.
        overwrite: Whether to replace a package at `out`.
        time_limit: Seconds that the file may take in all; see `verify`.

    Returns:
        A `PackageReport`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, the file cannot be read
            or run, or the server cannot take it.
        FileExistsError, FileNotFoundError, PermissionError: if there is no file at `path`, or
            nothing can be written at `out`.
        ModuleNotFoundError: if MLflow is needed and not installed.
        ExportError: if the file fails its own self-test; nothing is written.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx", samples=8)
    >>> report = kde.package("score.onnx", "models", target="triton", max_batch_size=32)
    >>> with open("models/score/config.pbtxt") as file:
    ...     print(file.read())
    name: "score"
    backend: "onnxruntime"
    max_batch_size: 32
    ...
    """
    kind = _target(target)
    options = {"name": name, "max_batch_size": max_batch_size, "storage_uri": storage_uri}
    _check_options(kind, options)
    if isinstance(path, (str, os.PathLike)):
        recover(Path(os.path.abspath(path)))
    if time_limit is not None:
        check_positive(time_limit, "time_limit")
    interface = _interface(path, time_limit)
    shown, source = os.fspath(path), Path(path)
    layout = PackageFolder()
    place = check_destination(out, layout, overwrite)
    packaging = Packaging(
        path=shown,
        name=_name(name, source),
        interface=interface,
        sample=sample_request(source, interface),
        max_batch_size=_BATCH if max_batch_size is None else max_batch_size,
        storage_uri=storage_uri,
    )
    with workplace(place) as work:
        made = work / place.name
        made.mkdir()
        kind.write(packaging, made)
        report = PackageReport(
            path=os.fspath(out),
            target=kind.name,
            title=kind.title,
            name=packaging.name,
            files=tuple(each.relative_to(made).as_posix() for each in files_in(made)),
            alone=packaging.sample.alone,
        )
        (made / REPORT).write_text(report.to_json() + "\n", encoding="utf-8")
        put_in_place(made, place, layout, overwrite)
    return report


def _target(name: str) -> Target:
    known = {each.name: each for each in TARGETS}
    return known[check_choice(name, "target", known)]


def _check_options(target: Target, options: dict[str, Any]) -> None:
    for option, value in options.items():
        if value is not None and option not in target.options:
            raise invalid(option, f"None where `target` is {target.name!r}", value)
    for option in ("name", "storage_uri"):
        value = options[option]
        if value is not None and not (isinstance(value, str) and value):
            raise invalid(option, "None or a text", value)
    if options["max_batch_size"] is not None:
        check_integer(options["max_batch_size"], "max_batch_size", minimum=1)


def _interface(path: str | os.PathLike[str], time_limit: float | None) -> Interface:
    try:
        runtime: Format | Apart = format_at(path)
        place = Path(path).absolute()
        if time_limit is not None:
            runtime = Apart(place, time_limit)
        found = runtime.interface(place)
    except FileNotFoundError:
        text = str(invalid("path", "an .onnx file that exists", os.fspath(path)))
        raise FileNotFoundError(text) from None
    if found is None:
        raise invalid("path", "an .onnx file, which servers take", os.fspath(path))
    return found


def _name(given: str | None, path: Path) -> str:
    """Return the name of the model, which is one of a folder."""
    name = path.stem if given is None else given
    if not re.fullmatch(_NAME, name):
        expected = (
            "a name of letters, digits, `_`, `.` and `-`, which begins with none of the last two"
        )
        way_out = "" if given is not None else "It comes from the file's name: pass `name`."
        raise invalid("name", expected, name, way_out)
    return name
