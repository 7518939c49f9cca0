"""The commands of `keras-dropouts` and their options.

What a command does is in actions.py, which is imported when the command runs: TensorFlow takes
seconds to import, and help, version and shell completion must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from keras_dropouts_export import formats
from keras_dropouts_export.cli import quiet_start, serving_commands, user_modules
from keras_dropouts_export.cli.evaluate_command import evaluate
from keras_dropouts_export.cli.onnx_options import onnx_options, taken_out
from keras_dropouts_export.cli.sampling_options import sampling_options
from keras_dropouts_export.cli.score_command import score

_SUFFIXES = ", ".join(f"{' or '.join(row.suffixes) or 'none'}: {row.name}" for row in formats.TABLE)

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_verbose = click.option(
    "-v", "--verbose", is_flag=True, help="Print every layer and comparison, and no summary."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace what is at OUT.")
_import = click.option(
    "--import",
    metavar="MODULE",
    multiple=True,
    expose_value=False,
    callback=user_modules.remember,
    help="A module or .py file to import before MODEL is read, which registers layers of your own. "
    "May be given several times.",
)


def _model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument MODEL, and the option that reading it may need."""
    return click.argument("model", type=click.Path(path_type=Path))(_import(command))


_out = click.argument("out", type=click.Path(path_type=Path))
_seed = click.option("--seed", default=0, show_default=True, help="Seed of the trial inputs.")
_atol = click.option("--atol", type=float, help="Absolute tolerance [default: the dtype's].")
_rtol = click.option("--rtol", type=float, help="Relative tolerance [default: the dtype's].")
_inputs = click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="An .npz file of arrays by the names of the model's inputs, to try it with in place of "
    "random numbers.",
)
_EPILOG = """\
Shell completion: add the line for your shell to the file that is named above it.

\b
bash: ~/.bashrc
  eval "$(_KERAS_DROPOUTS_COMPLETE=bash_source keras-dropouts)"
zsh: ~/.zshrc
  eval "$(_KERAS_DROPOUTS_COMPLETE=zsh_source keras-dropouts)"
fish: ~/.config/fish/completions/keras-dropouts.fish
  _KERAS_DROPOUTS_COMPLETE=fish_source keras-dropouts | source
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(package_name="keras-dropouts")
def cli() -> None:
    """Take Keras models out of training: dropout stripped or frozen, exports proven equal.

    The exit status is 0 only when what was asked for was done and verified, 1 when it was not,
    and 2 when the command line itself was wrong. MODEL is a .keras file.
    """


cli.add_command(score)
cli.add_command(evaluate)


@cli.command()
@_model
@_json
def inspect(model: Path, as_json: bool) -> None:
    """List every dropout and noise rate of MODEL."""
    quiet_start.load_tensorflow()
    from keras_dropouts_export.cli import actions

    actions.inspect(model, as_json)


@cli.command()
@_model
@_out
@_inputs
@_overwrite
@_verbose
@_json
def strip(model: Path, out: Path, **options: Any) -> None:
    """Write MODEL without dropout to OUT, a .keras file."""
    quiet_start.load_tensorflow()
    from keras_dropouts_export.cli import actions

    actions.strip(model, out, **options)


@cli.command()
@_model
@_out
@_inputs
@_overwrite
@_verbose
@_json
def freeze(model: Path, out: Path, **options: Any) -> None:
    """Write MODEL with constant rates to OUT, a .keras file.

    Layers of keras_dropouts become Keras's own, where Keras has such a layer.
    """
    quiet_start.load_tensorflow()
    from keras_dropouts_export.cli import actions

    actions.freeze(model, out, **options)


@cli.command()
@_model
@_out
@click.option(
    "--format",
    "format_name",
    type=click.Choice([row.name for row in formats.TABLE]),
    help=f"Format of OUT [default: by its suffix ({_SUFFIXES})]",
)
@sampling_options
@onnx_options
@_seed
@_atol
@_rtol
@_inputs
@_overwrite
@_verbose
@_json
def export(
    model: Path,
    out: Path,
    format_name: str | None,
    seed: int,
    atol: float | None,
    rtol: float | None,
    inputs: Path | None,
    overwrite: bool,
    verbose: bool,
    as_json: bool,
    **others: Any,
) -> None:
    """Export MODEL to OUT, once it is proven equal.

    The suffix of OUT says the format, or --format does.
    """
    of_onnx = taken_out(others)
    options = _sampling_arguments(others) | of_onnx
    quiet_start.load_tensorflow()
    row = formats.by_suffix(out) if format_name is None else formats.named(format_name)
    _check_options(row, options)
    from keras_dropouts_export.cli import actions

    options |= {"seed": seed, "atol": atol, "rtol": rtol, "overwrite": overwrite}
    if "second_process" in row.options:  # one who waits for a command waits for this as well
        options["second_process"] = True
    actions.export(model, out, row.name, options, inputs, verbose, as_json)


@cli.command()
@_model
@click.argument("artifact", type=click.Path(path_type=Path))
@_seed
@_atol
@_rtol
@_inputs
@click.option(
    "--time-limit",
    type=float,
    default=600.0,
    show_default=True,
    help="Seconds that ARTIFACT may take, in a process of its own.",
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    help="ONNX only: an execution provider of onnxruntime to run ARTIFACT on (cuda, for example). "
    "May be given several times.",
)
@_verbose
@_json
def verify(
    model: Path,
    artifact: Path,
    inputs: Path | None,
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare ARTIFACT, an exported file or folder, with MODEL."""
    quiet_start.load_tensorflow()
    from keras_dropouts_export.cli import actions

    options["second_process"] = True  # one who waits for a command waits for this as well
    options["providers"] = options["providers"] or None
    equal = actions.verify(model, artifact, options, inputs, verbose, as_json)
    sys.exit(0 if equal else 1)


@cli.command()
@_model
@click.option("--opset", default=18, show_default=True, help="Version of ONNX's operations.")
@_inputs
@_json
def doctor(model: Path, opset: int, inputs: Path | None, as_json: bool) -> None:
    """Say what a plain Keras export of MODEL would get wrong.

    The exit status is 1 if there is anything.
    """
    quiet_start.load_tensorflow()
    from keras_dropouts_export.cli import actions

    sys.exit(0 if actions.doctor(model, opset, as_json, inputs) else 1)


cli.add_command(serving_commands.package)


def _sampling_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an export from the options that have to do with samples."""
    found = {
        name: value for name, value in given.items() if value is not None and value is not False
    }
    for name in found:
        if "samples" not in found:
            option = _option(name)
            raise click.UsageError(f"{option} is for an export with --samples, which is not given.")
    if "reduce" in found:
        found["reduce"] = "mean_std" if found["reduce"] == "mean-std" else None
    return found


def _check_options(row: formats.Row, options: dict[str, Any]) -> None:
    """Refuse an option that other formats take, and this one does not."""
    for name in options:
        takers = [each.name for each in formats.TABLE if name in each.options]
        if takers and row.name not in takers:
            raise click.UsageError(
                f"{_option(name)} is an option of the format {' and '.join(takers)}, "
                f"and the format of OUT is {row.name}."
            )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
