"""Writes the comparison of an artifact with its model as a table for notebooks."""

from __future__ import annotations

from typing import Any

from keras_dropouts.html_tables import table, verdict
from keras_dropouts_export.printable import printable

_HEAD = ("output", "batch", "runtime", "largest error", "allowed", "verdict")


def comparison_html(report: Any) -> str:
    """Return the rows of a `ParityReport` as a table under its verdict."""
    lines = [
        (
            *(printable(row.output), row.batch, row.runtime, f"{row.max_abs_error:.3g}"),
            *(f"{row.allowed:.3g}", "ok" if row.ok else "differs"),
        )
        for row in (*report.rows, *report.other_seed)
    ]
    title = f"parity of {printable(report.path)}"
    return verdict(title, report.ok, "equal", "NOT equal") + table(_HEAD, lines)
