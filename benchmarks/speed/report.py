"""Writes the results as tables for the terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from goals import ANY, MEMORY, ratios
from history import name_of
from rich.console import Console
from rich.table import Table

Rows = tuple[str, list[str], list[list[str]]]  # title, header, cells


def tables(results: dict[str, Any]) -> list[Rows]:
    """Return every table of the report: goals, sizes, memory, training steps."""
    return [_goals(results), *_sizes(results), _memory(results), *_training(results)]


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    for title, header, cells in tables(results):
        table = Table(title=title, title_justify="left")
        for index, name in enumerate(header):
            table.add_column(name, justify="left" if index == 0 else "right")
        for row in cells:
            table.add_row(*row)
        console.print(table)


def markdown(results: dict[str, Any]) -> str:
    """Return the tables and the environment in Markdown."""
    environment = [f"- {name}: {value}" for name, value in results["environment"].items()]
    parts = ["\n".join(environment)]
    for title, header, cells in tables(results):
        ruler = ["---", *["---:"] * (len(header) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in [header, ruler, *cells]]
        parts.append(f"### {title}\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _goals(results: dict[str, Any]) -> Rows:
    cells = []
    for goal, ratio, ours in ratios(results):
        limit = "" if goal.at_most is None else f"{goal.at_most:g}"
        verdict = "" if goal.at_most is None else ("yes" if ratio <= goal.at_most else "NO")
        digits = 4 if ratio < 0.1 else 2
        cells.append([name_of(goal), f"{ours:.2f}", f"{ratio:.{digits}f}", limit, verdict])
    header = ["ours over theirs, medians of one run", "ours, ms", "ratio", "at most", "reached"]
    return "Forward and backward: the goals", header, cells


def _sizes(results: dict[str, Any]) -> list[Rows]:
    rows = []
    places = dict.fromkeys((each["backend"], each["mode"]) for each in results["layers"])
    for backend, mode in places:
        here = [e for e in results["layers"] if (e["backend"], e["mode"]) == (backend, mode)]
        shapes = list(dict.fromkeys(tuple(each["shape"]) for each in here))
        names = list(dict.fromkeys(each["contender"] for each in here))
        times = {(each["contender"], tuple(each["shape"])): each["median_ms"] for each in here}
        cells = [
            [name, *(f"{times[name, s]:.2f}" if (name, s) in times else "" for s in shapes)]
            for name in names
        ]
        header = ["ms", *("x".join(map(str, shape)) for shape in shapes)]
        rows.append((f"Forward and backward: {backend}, {mode}", header, cells))
    return rows


def _memory(results: dict[str, Any]) -> Rows:
    backends = list(results["memory"])
    names = dict.fromkeys(name for each in results["memory"].values() for name in each)
    cells = [
        [name, *(_bytes(results["memory"][backend].get(name)) for backend in backends)]
        for name in names
    ]
    for name in ("ScheduledDropout", "DropBlock2D"):
        found = [results["memory"][backend] for backend in backends]
        shares = [each[name] / each[ANY] if ANY in each else None for each in found]
        label = f"{name} over {ANY}, at most {MEMORY:g}"
        cells.append([label, *map(_bytes, shares)])
    title = "Bytes an element kept for the backward pass, 32x28x28x128 float32"
    return title, ["layer", *backends], cells


def _bytes(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _training(results: dict[str, Any]) -> list[Rows]:
    rows = []
    for model in dict.fromkeys(each["model"] for each in results["training"]):
        here = [each for each in results["training"] if each["model"] == model]
        backends = list(dict.fromkeys(each["backend"] for each in here))
        times = {(each["contender"], each["backend"]): each["median_ms"] for each in here}
        cells = [
            [name, *(f"{times[name, backend]:.1f}" for backend in backends)]
            for name in dict.fromkeys(each["contender"] for each in here)
        ]
        rows.append((f"A training step of a small {model}, ms", ["with", *backends], cells))
    return rows
