"""What each command of `keras-dropouts` does with the model that it is given, and prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

import keras_dropouts as kd
from keras_dropouts_export import doctor as diagnose
from keras_dropouts_export import pipeline
from keras_dropouts_export import verify as compare
from keras_dropouts_export.api.any_format import export as export_by_name
from keras_dropouts_export.cli import summaries
from keras_dropouts_export.cli.inputs_file import read_inputs
from keras_dropouts_export.cli.model_file import read_model, write_verified
from keras_dropouts_export.cli.standard_streams import say, say_report
from keras_dropouts_export.cli.terminal import print_parity, print_rewritten, print_table, steps
from keras_dropouts_export.models.freeze import freeze_dropout
from keras_dropouts_export.models.strip import strip_dropout, strip_report
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def inspect(model: Path, as_json: bool) -> None:
    """Print every rate of a model."""
    rows = kd.inspect_dropout(read_model(model))
    if as_json:
        say(json.dumps([row._asdict() for row in rows], indent=2))
    elif not rows:
        say("no dropout")
    else:
        cells = [
            (r.path, r.layer, f"{r.rate:.4g}", r.schedule or "-", "yes" if r.learned else "-")
            for r in rows
        ]
        print_table(("path", "layer", "rate now", "schedule", "learned"), cells)


def strip(model: Path, out: Path, **options: Any) -> None:
    """Write a model without dropout, once it is read back and found equal."""
    _rewrite(model, out, "strip", strip_dropout, **options)


def freeze(model: Path, out: Path, **options: Any) -> None:
    """Write a model with constant rates, once it is read back and found equal."""
    _rewrite(model, out, "freeze", freeze_dropout, **options)


def export(
    model: Path,
    out: Path,
    format_name: str,
    options: dict[str, Any],
    inputs: Path | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Write an artifact of a model, once it is proven equal, and print the report."""
    options = {**options, "sample_inputs": read_inputs(inputs)}
    if "representative_inputs" in options:
        given = options["representative_inputs"]
        options["representative_inputs"] = read_inputs(given, "representative_inputs")
    with steps(("load", *pipeline.STEPS), shown=not as_json) as step:
        step("load")
        loaded = read_model(model)
        report = export_by_name(loaded, out, format=format_name, progress=step, **options)
    say_report(report if verbose or as_json else summaries.of_export(report), as_json)


def verify(
    model: Path,
    artifact: Path,
    options: dict[str, Any],
    inputs: Path | None,
    verbose: bool,
    as_json: bool,
) -> bool:
    """Compare an artifact with a model, print both sides' distance, and return if it is small.

    What differs is printed in full.
    """
    with steps(("load", "verify"), shown=not as_json) as step:
        step("load")
        loaded = read_model(model)
        step("verify")
        report = compare(loaded, artifact, sample_inputs=read_inputs(inputs), **options)
    if as_json:
        say(report.to_json())
    elif verbose or not report.ok:
        print_parity(report)
    else:
        say_report(summaries.of_parity(report))
    return report.ok


def doctor(model: Path, opset: int, as_json: bool, inputs: Path | None) -> bool:
    """Print what a plain Keras export of a model would get wrong, and return if it is nothing."""
    report = diagnose(read_model(model), opset, sample_inputs=read_inputs(inputs))
    say_report(report, as_json)
    return report.ok


def _rewrite(
    model: Path,
    out: Path,
    what: str,
    function: Callable[..., keras.Model],
    *,
    inputs: Path | None,
    overwrite: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    samples = read_inputs(inputs)
    with steps(("load", what, "save", "verify", "place"), shown=not as_json) as step:
        step("load")
        loaded = read_model(model)
        step(what)
        new = function(loaded, sample_inputs=samples)
        write_verified(new, loaded, out, overwrite, step, SampleInputs.asked_for(samples))
    report = strip_report(new)
    if as_json:
        rows = [row.__dict__ for row in report.rows]
        say(json.dumps({"ok": True, "path": str(out), "rows": rows}, indent=2))
    elif verbose:
        print_rewritten(report, out)
    else:
        say_report(summaries.of_rewritten(report, out))
