"""Exports a model: traces it, writes it to a temporary place, audits, compares, and renames it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from keras_dropouts_export.checks.audit import AuditReport, audit, audit_graph
from keras_dropouts_export.checks.loss import LossReport, lower
from keras_dropouts_export.checks.parity import ParityReport, compare
from keras_dropouts_export.checks.sampled_parity import compare_samples
from keras_dropouts_export.checks.self_test_maker import made_for
from keras_dropouts_export.checks.trial_inputs import check_probabilities
from keras_dropouts_export.decided_outputs import DecidedOutputs
from keras_dropouts_export.destination import check_destination, put_in_place, workplace
from keras_dropouts_export.errors import ExportError, Stage
from keras_dropouts_export.formats.format import Exported, Format
from keras_dropouts_export.labels import labels_of
from keras_dropouts_export.monte_carlo.sampled_function import DRAWS, sampled_function
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.other_backends import Caller, is_elsewhere, on_tensorflow
from keras_dropouts_export.provenance import rates_of, versions
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.tracing.deciding_function import deciding
from keras_dropouts_export.tracing.inference_function import (
    inference_function,
    served_signature,
)
from keras_dropouts_export.tracing.kept_state import check_stateless
from keras_dropouts_export.tracing.sample_inputs import SampleInputs

STEPS = ("trace", "convert", "audit", "verify", "place")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What is to be exported, and how.

    format: the format with its options; sampling: None, or how the artifact draws samples;
    progress: called with each of `STEPS` as it begins; sample_inputs: None, or what the model and
    the artifact are compared on; labels: None, or the names of classes, see `labels_of`;
    representative_inputs: None, or inputs that a less precise artifact is measured on; calibration:
    what is decided of the outputs, as a user gives it, or `DecidedOutputs`.
    caller: None, or the process of the user, where Keras runs on another backend there.
    """

    model: keras.Model
    path: str | os.PathLike[str]
    format: Format
    sampling: MonteCarlo | None
    comparison: Comparison
    input_signature: Any
    overwrite: bool
    progress: Progress | None
    sample_inputs: SampleInputs | None = None
    labels: Any = None
    representative_inputs: SampleInputs | None = None
    calibration: Any = None
    caller: Caller | None = None


def export(request: Request) -> ExportReport:
    """Make an artifact and return the report; the path is touched only when all is verified.

    Raises:
        ExportError: if something is left in the artifact, or it is not the model.
    """
    layout, sampling = request.format, request.sampling
    target = check_destination(request.path, layout, request.overwrite)
    if sampling is not None:
        layout.check_sampling(sampling)
    decided = DecidedOutputs.asked_for(request.calibration, sampling)
    request = replace(request, calibration=decided)
    if is_elsewhere():
        return _exported_on_tensorflow(request)
    shown = os.fspath(request.path)  # as the user wrote it; `target` is absolute
    step = request.progress or (lambda _: None)
    with workplace(target) as work:
        step("trace")
        with _stage("cannot be traced", request, ValueError):
            exported = _traced(request)
            if request.representative_inputs is not None:  # checked before anything takes long
                request.representative_inputs.by_name(exported.plain.signature)
            _check_graphs(exported, layout, shown)
            if layout.carries_self_test:
                exported = replace(exported, self_test=made_for(exported))
        step("convert")
        made = work / target.name
        with _stage(f"cannot be written as {layout.title}", request, OSError):
            written = layout.write(exported, made)
        step("audit")
        found = _audited(request, made, shown)
        step("verify")
        compared, loss = _verified(request, exported, made, shown)
        if loss is not None:
            found = _audited(request, made, shown)
        step("place")
        size = sum(_size(each) for each in layout.files(made) if each.exists())
        put_in_place(made, target, layout, request.overwrite)
    return ExportReport(
        path=shown,
        format=layout.name,
        description=layout.describe(),
        options=asdict(layout),  # type: ignore[call-overload]  # every format is a dataclass
        bytes=size,
        inputs=written.inputs,
        outputs=written.outputs,
        stripped=rates_of(request.model),
        audit=found,
        parity=compared,
        versions=versions(),
        samples=None if sampling is None else sampling.samples,
        shared_draws=exported.served.shared_draws,
        loss=loss,
    )


def _exported_on_tensorflow(request: Request) -> ExportReport:
    """Make the artifact in a process that runs Keras on TensorFlow."""
    model, samples = request.model, request.sample_inputs
    signature = served_signature(model, request.input_signature, samples)
    sent = replace(
        request,
        model=None,  # it goes by a file
        path=os.fspath(request.path),
        input_signature=signature,
        progress=None,
    )
    report: ExportReport = on_tensorflow(
        _export_of_caller, model, signature, request.progress, request=sent
    )
    return report


def _export_of_caller(
    model: keras.Model, caller: Caller, step: Progress, request: Request
) -> ExportReport:
    return export(replace(request, model=model, caller=caller, progress=step))


def _stage(what: str, request: Request, *passed: type[Exception]) -> Stage:
    """Let no error of another library reach the user as it is; `passed` are those that are ours."""
    name = getattr(request.model, "name", "")
    return Stage(f"Model {name!r} {what}", name, (FileNotFoundError, *passed))


def _traced(request: Request) -> Exported:
    plain = inference_function(request.model, request.input_signature, request.sample_inputs)
    if request.calibration is not None:
        shapes = {each.name: each.shape for each in plain.outputs}
        decided = request.calibration.of(shapes)
        check_probabilities(plain, "calibration", decided.of_classes)
        plain = replace(plain, decided=decided) if request.sampling else deciding(plain, decided)
    if request.caller is not None:
        plain = request.caller.predicting(plain)
    request.format.check_function(plain)
    labels = labels_of(plain, request.labels)
    if request.sampling is None:
        check_stateless(request.model)
        return Exported(plain, labels=labels)
    if request.sampling.uncertainty:
        check_probabilities(plain, "uncertainty")
    sampled = sampled_function(plain, request.sampling)
    if request.caller is not None:
        sampled = request.caller.sampling(sampled, request.sampling)
    return Exported(plain, sampled, request.sampling, labels)


def _check_graphs(exported: Exported, layout: Format, shown: str) -> None:
    if exported.sampled is None or layout.keeps_plain_function:
        plain = exported.plain
        _check_audit(audit_graph(plain.concrete.graph, plain.name), shown)
    if exported.sampled is not None:
        sampled = exported.sampled
        _check_audit(audit_graph(sampled.concrete.graph, sampled.name, (DRAWS,)), shown)


def _check_audit(found: AuditReport, shown: str) -> None:
    if found.ok:
        return
    raise ExportError(
        f"Nothing was written at {shown}: the model does something that must not be served. The "
        f"name of each operation begins with the layers that it is in; what can be left is what a "
        f"layer does in `call` whatever `training` is.\n{found}"
    )


def _audited(request: Request, made: Path, shown: str) -> AuditReport:
    with _stage("was written, and cannot be read again", request):
        allowed = request.format.allowed_operations(request.sampling)
        found = replace(audit(made, allowed), path=shown)
    _check_audit(found, shown)
    return found


def _verified(
    request: Request, exported: Exported, made: Path, shown: str
) -> tuple[ParityReport, LossReport | None]:
    """Compare the artifact with the model, and then make it less precise if that is asked for."""
    layout, comparison = request.format, request.comparison
    if layout.lowered_to is None:
        return _compared(exported, made, shown, comparison), None
    # The tolerances that the user gave are for the file that is written in the end.
    compared = _compared(exported, made, shown, replace(comparison, atol=None, rtol=None))
    with _stage(f"cannot be written in {layout.lowered_to}", request, OSError):
        loss = lower(exported, made, layout, comparison, request.representative_inputs)
    return compared, loss


def _compared(exported: Exported, made: Path, shown: str, comparison: Comparison) -> ParityReport:
    with Stage(f"Nothing was written at {shown}", exported.plain.name, (OSError,)):
        if exported.sampled is None:
            compared = compare(exported.plain, made, comparison, shown=shown)
        else:
            compared = compare_samples(exported, made, comparison, shown=shown)
    if compared.ok:
        return compared
    rows = (*compared.rows, *compared.other_seed)
    if all(row.ok for row in rows if row.model_on is None):
        backend = next(row.model_on for row in rows if not row.ok)
        raise ExportError(
            f"Nothing was written at {shown}: on TensorFlow the model computes something else than "
            f"on {backend!r}, by more than is allowed.\n{compared}"
        )
    raise ExportError(
        f"Nothing was written at {shown}: its outputs are not the model's.\n{compared}"
    )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
