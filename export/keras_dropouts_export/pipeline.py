"""The way of every export: write beside the target, audit, compare, and only then put in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_dropouts.surgery import sources as noise
from keras_dropouts_export.checks.audit import AuditReport, audit, audit_graph
from keras_dropouts_export.checks.parity import ParityReport, check_options, compare
from keras_dropouts_export.destination import check_target, data_file, put_in_place, workplace
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.report import ExportReport, Stripped, versions
from keras_dropouts_export.tracing.inference_function import InferenceFunction

STEPS = ("trace", "convert", "audit", "verify", "place")
Progress = Callable[[str], None]
Compare = Callable[..., ParityReport]
Write = Callable[[InferenceFunction, Path], InferenceFunction]


def export(
    *,
    path: str | os.PathLike[str],
    kind: str,
    make: Callable[[], InferenceFunction],
    write: Write,
    opset: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    parity: dict[str, Any] | None = None,
    allow: tuple[str, ...] = (),
    compare_with: Compare = compare,
    samples: int | None = None,
) -> ExportReport:
    """Make an artifact and return the report; `path` is touched only when all is verified.

    Args:
        make: Returns the function to be exported.
        write: Writes the function to a path, and returns it in the form that it wrote.
        progress: Called with each of `STEPS` as it begins.
        parity: Arguments of `compare`.
        allow: Operations that the audit passes over.
        compare_with: Compares the function with the artifact.
        samples: How many samples of Monte-Carlo dropout are in it, None for none.

    Raises:
        ExportError: if something is left in the artifact, or it is not the model.
    """
    target = check_target(path, kind, overwrite)
    options = parity or {}
    check_options(**options)
    step = progress or (lambda _: None)
    with workplace(target) as work:
        step("trace")
        function = make()
        _check_audit(audit_graph(function.concrete.graph, function.name, allow), target)
        step("convert")
        made = work / target.name
        written = write(function, made)
        step("audit")
        found = replace(audit(made, allow), path=str(target))
        _check_audit(found, target)
        step("verify")
        compared = _compared(compare_with, function, made, target, options)
        step("place")
        size = _size(made) + (_size(data_file(made)) if data_file(made).exists() else 0)
        put_in_place(made, target, work, overwrite)
    return ExportReport(
        path=str(target),
        format=kind,
        opset=opset,
        bytes=size,
        inputs=written.inputs,
        outputs=written.outputs,
        stripped=stripped_rows(function.model),
        audit=found,
        parity=compared,
        versions=versions(),
        samples=samples,
    )


def _check_audit(found: AuditReport, target: Path) -> None:
    if found.ok:
        return
    raise ExportError(
        f"Nothing was written at {target}: something is left that must not be served. "
        f"The name of each operation begins with the layers it is in; what can be left is what a "
        f"layer does in `call` whatever `training` is.\n{found}"
    )


def _compared(
    compare_with: Compare,
    function: InferenceFunction,
    made: Path,
    target: Path,
    options: dict[str, Any],
) -> ParityReport:
    try:
        compared = compare_with(function, made, shown=target, **options)
    except ValueError as error:
        raise ExportError(f"Nothing was written at {target}: {error}") from error
    if not compared.ok:
        raise ExportError(f"Nothing was written at {target}: it is not the model.\n{compared}")
    return compared


def stripped_rows(model: Any) -> tuple[Stripped, ...]:
    """Return the rates of `model`, none of which is in an artifact."""
    return tuple(
        Stripped(source.path, type(source.layer).__name__, source.rate)
        for source in noise.noise_sources(model)
    )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
