"""What the command line shows: tables, verdicts, and how far a long command is."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.parity import ParityReport
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
    """Print the rows of a comparison as a table, the verdict, and where the two begin to differ."""
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
    print_table(("output", "batch", "runtime", "error", "allowed", ""), cells)
    verdict = "equal" if report.ok else "NOT equal"
    say_report(f"{printable(report.path)}: {verdict}, largest error {report.max_abs_error:.3g}")
    if report.first_difference:
        say(f"the first layer that differs is {report.first_difference!r}")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with a line at the top."""
    table = Table(header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")  # in a narrow terminal no path is cut short
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))  # as text, no markup is read
    # Only a terminal has an edge; in a pipe or a file nothing is cut or wrapped.
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(width=None if is_terminal else 1000)
    with console.capture() as captured:
        console.print(table)
    write(captured.get().rstrip("\n"))


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
