"""Writes the pages of the reference: each public name, and the help of each command.

`make reference` runs it; the site takes signatures and docstrings from the code when it is built.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts_export.cli.commands import cli as main

PAGES = Path(__file__).parent / "reference"
HEADS = {
    "layers": "Layers\n\n"
    "`import keras_dropouts as kd`. Each layer takes `name` and `dtype` like every layer, has "
    "`layer.rate`, which can be set, and `layer.step`. [With pictures](../concepts/layers.md).",
    "schedules": "Schedules\n\nFunctions from the training step to a rate: `kd.schedules`. "
    "[What a rate is](../concepts/rates_and_schedules.md).",
    "models": "Models that exist\n\nFunctions and callbacks that list, set, replace and draw the "
    "dropout of a model.",
    "uncertainty": "Monte-Carlo and uncertainty\n\n"
    "[What a Monte-Carlo sample is](../concepts/monte_carlo_samples.md).",
    "tuning": "Tuning\n\nRates that are chosen by what they do. [Choose](../rates.md).",
    "exports": "Exports\n\n`import keras_dropouts_export as kde`; the extra `export`. "
    "[How a model leaves training](../concepts/leaving_training.md).",
    "scoring": "Scoring\n\n`kde.scoring` needs neither Keras nor TensorFlow. "
    "[Score a table](../scoring.md).",
}
# Names of `keras_dropouts` itself that stand with Monte-Carlo dropout.
_SAMPLING = {"mc_predict", "MonteCarloPrediction", "row_seeds", "RDrop"}
_WITH_LAYERS = {"ExpectedZoneout", "concrete_regularizers", "depth_rates", "training_step"}


def page_of(module: ModuleType, name: str, value: Any) -> str:
    """Return the page on which a public name stands."""
    if module is not kd:
        pages = {kde: "exports", kde.scoring: "scoring"}
        return pages.get(module, module.__name__.split(".")[-1])
    if name in _SAMPLING:
        return "uncertainty"
    is_layer = inspect.isclass(value) and issubclass(value, BaseDropout)
    return "layers" if is_layer or name in _WITH_LAYERS else "models"


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    found: dict[str, list[str]] = {name: [] for name in HEADS}
    seen = set()
    for module in (kd.schedules, kd.uncertainty, kd.tuning, kde, kde.scoring, kd):
        for name in module.__all__:
            value = _named(module, name)
            if isinstance(value, ModuleType) or value in seen:
                continue
            seen.add(value)
            home = value if isinstance(value, str) else f"{value.__module__}.{value.__qualname__}"
            found[page_of(module, name, value)].append(f"::: {home}")
    texts = {
        name: f"# {HEADS[name]}\n\n" + "\n\n".join(each) + "\n" for name, each in found.items()
    }
    return {**texts, "command_line": command_line()}


def _named(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except ModuleNotFoundError:  # an engine that is not installed here; its home is in the table
        homes: dict[str, str] = module._MODULES
        return f"{module.__name__}.{homes[name]}.{name}"


def command_line() -> str:
    """Return the page with the help of each command."""
    lines = [
        "# Command line\n",
        "The extra `export` installs `keras-dropouts`. The exit status is 0 only if what was asked",
        "for was done and verified, 1 if it was not, and 2 if the command line itself was wrong.",
        "[Layers of your own](../how_to/own_layers.md).\n",
    ]
    with click.Context(main, info_name="keras-dropouts", **main.context_settings) as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            with click.Context(
                command, parent=context, info_name=name, max_content_width=90
            ) as its:
                its.terminal_width = 90
                lines += [f"## {name}\n", "```text", command.get_help(its), "```\n"]
    return "\n".join(lines)


if __name__ == "__main__":
    for name, text in pages().items():
        (PAGES / f"{name}.md").write_text(text)
