"""What the command line shows: tables, verdicts, and how far a long command is."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.parity import ParityReport
from keras_dropouts_export.cli.report_lines import is_terminal
from keras_dropouts_export.cli.standard_streams import say, say_report, write
from keras_dropouts_export.models.strip import StripReport
from keras_dropouts_export.printable import printable

STEP_NAMES = {
    "load": "reading the model",
    "trace": "tracing the model at inference",
    "convert": "converting",
    "audit": "auditing what was made",
    "verify": "comparing it with the model",
    "place": "putting it in place",
    "strip": "taking dropout out",
    "freeze": "making the rates constant",
    "save": "writing and reading back",
}


def print_rewritten(report: StripReport, out: Path) -> None:
    """Print what became of each rate, and where the model is."""
    if report.rows:
        cells = [(row.path, row.layer, f"{row.rate:.4g}", row.what) for row in report.rows]
        print_table(("path", "layer", "rate", "what became of it"), cells)
    say(f"{printable(out)}: its predictions equal the model's, bit for bit")


def print_parity(report: ParityReport) -> None:
    """Print the verdict, where the two begin to differ, and the rows of a comparison."""
    verdict = "equal" if report.ok else "NOT equal"
    say_report(f"{printable(report.path)}: {verdict}, largest error {report.max_abs_error:.3g}")
    if report.first_difference:
        say(f"the first layer that differs is {report.first_difference!r}")
    cells = [
        (
            row.output,
            str(row.batch),
            row.runtime,
            f"{row.max_abs_error:.3g}",
            f"{row.allowed:.3g}",
            "ok" if row.ok else "differs" if row.repeatable else "differs between runs",
        )
        for row in (*report.rows, *report.other_seed)
    ]
    print_table(("output", "batch", "runtime", "error", "allowed", ""), cells, spare="allowed")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], spare: str = "") -> None:
    """Print a table with a line at the top.

    spare: the column that a terminal leaves out where the table is wider than it, as it leaves out
    those that have nothing but "-".
    """
    # Only a terminal has an edge; in a pipe or a file nothing is cut or wrapped.
    console = Console(width=None if is_terminal(sys.stdout) else 1000)
    table = _table(head, rows)
    for name, *cells in reversed([*zip(head, *rows, strict=True)]):
        if name == spare or {*cells} == {"-"}:
            if Console(width=1000).measure(table).maximum <= console.width:
                break
            place = list(head).index(name)
            head = [*head[:place], *head[place + 1 :]]
            rows = [[*row[:place], *row[place + 1 :]] for row in rows]
            table = _table(head, rows)
    with console.capture() as captured:
        console.print(table)
    write(captured.get().rstrip("\n"))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name, *cells in zip(head, *rows, strict=True):
        # In a narrow terminal no path is cut short, and no number is broken.
        table.add_column(name, overflow="fold", no_wrap=all(map(_is_number, cells)))
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _cell(text: str) -> Text:
    """Return text of which no markup is read, a verdict in colour."""
    style = {"ok": "green"}.get(text, "red" if text.startswith("differs") else "")
    return Text(printable(text), style=style)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.]+(e[-+]\d+)?|nan|-?inf", text) is not None


@contextmanager
def steps(names: Sequence[str], shown: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that is told each step as it begins; a terminal shows how far it is."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total}"),
        TimeElapsedColumn(),
    )
    if not (shown and console.is_terminal):
        # Not a disabled Progress: before rich 14.3 that writes an empty line when it ends.
        yield functools.partial(_check_step, names)
        return
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(STEP_NAMES.get(names[0], names[0]), total=len(names))

        def step(name: str) -> None:
            _check_step(names, name)
            progress.update(
                task, completed=names.index(name), description=STEP_NAMES.get(name, name)
            )

        yield step


def _check_step(names: Sequence[str], name: str) -> None:
    if name not in names:
        raise invalid("name", f"one of {names}", name)
