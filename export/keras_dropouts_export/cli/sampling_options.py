"""The options of `keras-dropouts export` for Monte-Carlo dropout inside the artifact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

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
        type=click.Choice(["philox", "portable", "native"]),
        help="With --samples, ONNX only: portable draws the same in integers of 32 bits, for "
        "runtimes that have no wider ones; native is the runtime's own generator, without a seed "
        "[default: philox]",
    ),
    click.option(
        "--fixed-masks",
        is_flag=True,
        help="With --samples: all rows that are served together share the masks of the first one.",
    ),
)


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_SAMPLING):
        command = option(command)
    return command
