"""The command line `keras-dropouts`: what can be done with a saved model, one command each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import keras

import keras_dropouts as kd
from keras_dropouts_export import pipeline
from keras_dropouts_export.checks.verify import verify
from keras_dropouts_export.cli.model_file import read_model, write_verified
from keras_dropouts_export.cli.terminal import (
    print_parity,
    print_rewritten,
    print_table,
    steps,
)
from keras_dropouts_export.doctor import doctor
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.models.freeze import freeze_dropout
from keras_dropouts_export.models.strip import strip_dropout, strip_report
from keras_dropouts_export.onnx import export_onnx
from keras_dropouts_export.saved_model import export_saved_model

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace what is at the target.")
_model = click.argument("model", type=click.Path(path_type=Path))
_out = click.argument("out", type=click.Path(path_type=Path))
_seed = click.option("--seed", default=0, show_default=True, help="Seed of the trial inputs.")
_atol = click.option("--atol", type=float, help="Absolute tolerance [default: the dtype's].")
_rtol = click.option("--rtol", type=float, help="Relative tolerance [default: the dtype's].")
_SAMPLING = (
    click.option("--samples", type=int, help="Keep dropout on, and draw this many samples."),
    click.option(
        "--reduce",
        type=click.Choice(["mean-std", "none"]),
        help="With --samples: their mean and std, or all of them [default: mean-std]",
    ),
    click.option(
        "--uncertainty",
        is_flag=True,
        help="With --samples: entropies and mutual information of class probabilities, too.",
    ),
    click.option(
        "--chunk-size",
        type=int,
        help="With --samples: how many run as one batch, which bounds the memory [default: all]",
    ),
    click.option(
        "--rng",
        type=click.Choice(["philox", "native"]),
        help="With --samples, ONNX only: native is the runtime's own generator, without a seed "
        "[default: philox]",
    ),
)


def _sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SAMPLING):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keras-dropouts")
def cli() -> None:
    """Take Keras models out of training: dropout stripped or frozen, exports proven equal.

    The exit status is 0 only when what was asked for was done and verified, 1 when it was not,
    and 2 when the command line itself was wrong. MODEL is a .keras file.
    """


@cli.command()
@_model
@_json
def inspect(model: Path, as_json: bool) -> None:
    """List every dropout and noise rate of MODEL."""
    rows = kd.inspect_dropout(read_model(model))
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
    elif not rows:
        click.echo("no dropout")
    else:
        cells = [
            (r.path, r.layer, f"{r.rate:.4g}", r.schedule or "-", "yes" if r.learned else "-")
            for r in rows
        ]
        print_table(("path", "layer", "rate now", "schedule", "learned"), cells)


@cli.command()
@_model
@_out
@_overwrite
@_json
def strip(model: Path, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write MODEL without dropout to OUT, a .keras file."""
    _rewrite(model, out, overwrite, as_json, "strip", strip_dropout)


@cli.command()
@_model
@_out
@_overwrite
@_json
def freeze(model: Path, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write MODEL with constant rates, in Keras's own layers, to OUT, a .keras file."""
    _rewrite(model, out, overwrite, as_json, "freeze", freeze_dropout)


@cli.command()
@_model
@_out
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "saved_model"]),
    help="[default: onnx if OUT ends in .onnx, else saved_model]",
)
@_sampling_options
@click.option("--opset", type=int, help="ONNX only: version of its operations [default: 18]")
@_seed
@_atol
@_rtol
@_overwrite
@_json
def export(
    model: Path,
    out: Path,
    kind: str | None,
    opset: int | None,
    seed: int,
    atol: float | None,
    rtol: float | None,
    overwrite: bool,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Export MODEL to OUT, an .onnx file or a SavedModel folder, once it is proven equal."""
    onnx = kind == "onnx" or (kind is None and out.suffix.lower() == ".onnx")
    arguments: dict[str, Any] = {} if opset is None else {"opset": opset}
    arguments |= _sampling_arguments(sampling)
    for name in ("opset", "rng"):
        if name in arguments and not onnx:
            raise click.UsageError(f"--{name} is for ONNX files, and OUT is a SavedModel folder.")
    arguments |= {
        "seed": seed,
        "atol": atol,
        "rtol": rtol,
        "overwrite": overwrite,
    }
    with steps(("load", *pipeline.STEPS), shown=not as_json) as step:
        step("load")
        loaded = read_model(model)
        make = export_onnx if onnx else export_saved_model
        report = make(loaded, out, progress=step, **arguments)
    click.echo(report.to_json() if as_json else report)


@cli.command("verify")
@_model
@click.argument("artifact", type=click.Path(path_type=Path))
@_seed
@_atol
@_rtol
@_json
def verify_command(
    model: Path, artifact: Path, seed: int, atol: float | None, rtol: float | None, as_json: bool
) -> None:
    """Compare ARTIFACT, an .onnx file or a SavedModel folder, with MODEL."""
    with steps(("load", "verify"), shown=not as_json) as step:
        step("load")
        loaded = read_model(model)
        step("verify")
        report = verify(loaded, artifact, seed=seed, atol=atol, rtol=rtol)
    if as_json:
        click.echo(report.to_json())
    else:
        print_parity(report)
    sys.exit(0 if report.ok else 1)


@cli.command("doctor")
@_model
@click.option("--opset", default=18, show_default=True, help="Version of ONNX's operations.")
@_json
def doctor_command(model: Path, opset: int, as_json: bool) -> None:
    """Say what a plain Keras export of MODEL would get wrong; status 1 if there is anything."""
    report = doctor(read_model(model), opset)
    click.echo(report.to_json() if as_json else report)
    sys.exit(0 if report.ok else 1)


def _sampling_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an export from the options that have to do with samples."""
    found = {
        name: value for name, value in given.items() if value is not None and value is not False
    }
    for name in found:
        option = f"--{name.replace('_', '-')}"
        if "samples" not in found:
            raise click.UsageError(f"{option} is for an export with --samples, which is not given.")
    if "reduce" in found:
        found["reduce"] = "mean_std" if found["reduce"] == "mean-std" else None
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one message and exit status 1, no traceback."""
    try:
        cli(args=arguments, prog_name="keras-dropouts")
    except (ValueError, TypeError, OSError, ExportError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _rewrite(
    model: Path,
    out: Path,
    overwrite: bool,
    as_json: bool,
    what: str,
    function: Callable[[keras.Model], keras.Model],
) -> None:
    with steps(("load", what, "save", "verify", "place"), shown=not as_json) as step:
        step("load")
        loaded = read_model(model)
        step(what)
        new = function(loaded)
        write_verified(new, loaded, out, overwrite, step)
    report = strip_report(new)
    if as_json:
        rows = [row.__dict__ for row in report.rows]
        click.echo(json.dumps({"ok": True, "path": str(out), "rows": rows}, indent=2))
    else:
        print_rewritten(report, out)


if __name__ == "__main__":
    main()
