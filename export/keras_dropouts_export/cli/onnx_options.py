"""The options of `keras-dropouts export` for ONNX files alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_ONNX = (
    click.option("--opset", type=int, help="ONNX only: version of its operations [default: 18]"),
    click.option(
        "--dtype", type=click.Choice(["float16"]), help="ONNX only: numbers inside the file."
    ),
    click.option("--quantize", type=click.Choice(["int8"]), help="ONNX only: weights of the file."),
    click.option(
        "--representative-inputs",
        type=click.Path(path_type=Path),
        help="With --dtype or --quantize: an .npz file of inputs as your data are, which tell the "
        "ranges of int8 and what is lost.",
    ),
)
_NAMES = ("opset", "dtype", "quantize", "representative_inputs")


def onnx_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_ONNX):
        command = option(command)
    return command


def taken_out(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options that were given out of all options of a command, and return them."""
    found = {name: options.pop(name) for name in _NAMES}
    return {name: value for name, value in found.items() if value is not None}
