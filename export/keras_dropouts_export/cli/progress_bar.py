"""Shows on a terminal how many rows are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress_bar(what: str, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a function of the rows that are done and of all, or None where nobody would see it."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield None
        return
    columns = (
        *(TextColumn("{task.description}"), BarColumn()),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(what, total=0)
        yield lambda done, rows: progress.update(bar, completed=done, total=rows)
