"""Writes the report: a line for each layer and backend, and each kind beside its peers."""

from __future__ import annotations

import json
import platform
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

STATISTICS = ("rate", "mean", "independence")
OURS = "keras_dropouts"


def publish(rows: list[dict[str, Any]], docs: Path | None) -> int:
    """Print the tables, write them into a folder unless it is None; return the exit status."""
    once = list(rows[0]["once"])
    head = ["backend", "layer", *STATISTICS, *once, "passed"]
    lines = [_line(row) for row in rows if not row["kind"]]
    failures = sum(_passed(row)[0] < _passed(row)[1] for row in rows if _is_ours(row))
    _print("Conformance", head, lines)
    beside = _beside(rows)
    for kind, (columns, cells) in beside.items():
        _print(kind, columns, cells)
    verdict = f"{failures} of our rows fail." if failures else "All of ours pass."
    print(verdict)
    if docs is not None:
        text = [(Path(__file__).parent / "head.md").read_text()]
        text += [f"Run on {platform.machine()}, Python {platform.python_version()}. {verdict}", ""]
        text += [*_markdown(head, lines), "", "## Beside the peers", ""]
        for kind, (columns, cells) in beside.items():
            text += [f"### {kind}", "", *_markdown(columns, cells), ""]
        (docs / "conformance.md").write_text("\n".join(text))
        (docs / "conformance.json").write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if failures else 0


def _is_ours(row: dict[str, Any]) -> bool:
    return not row["kind"] or row["layer"] == OURS


def _line(row: dict[str, Any]) -> list[str]:
    passed, asked = _passed(row)
    return [row["backend"], row["layer"], *_texts(row), f"{passed}/{asked}"]


def _texts(row: dict[str, Any]) -> list[str]:
    worst = [_worst(row["cells"], name) for name in STATISTICS]
    return [*worst, *(_shown(check) for check in row["once"].values())]


def _passed(row: dict[str, Any]) -> tuple[int, int]:
    """Return how many checks passed, and how many were asked."""
    cells = [cell[name] for cell in row["cells"] for name in STATISTICS]
    asked = [each for each in [*cells, *row["once"].values()] if each["ok"] is not None]
    return sum(each["ok"] for each in asked), len(asked)


def _beside(rows: list[dict[str, Any]]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return for each kind its columns, one a package, and its lines, one a backend and check."""
    tables = {}
    kinds = sorted((row for row in rows if row["kind"]), key=lambda row: row["kind"])
    for kind, found in groupby(kinds, key=lambda row: row["kind"]):
        of_kind = list(found)
        packages = list(dict.fromkeys(row["layer"] for row in of_kind))
        lines = []
        for backend in dict.fromkeys(row["backend"] for row in of_kind):
            here = {row["layer"]: row for row in of_kind if row["backend"] == backend}
            names = [*STATISTICS, *of_kind[0]["once"], "passed"]
            texts = {
                package: [*_texts(row), "{}/{}".format(*_passed(row))]
                for package, row in here.items()
            }
            for i, name in enumerate(names):
                cells = [texts[each][i] if each in texts else "" for each in packages]
                lines.append([backend, name, *cells])
        tables[kind] = (["backend", "check", *packages], lines)
    return tables


def _worst(cells: list[dict[str, Any]], name: str) -> str:
    asked = [cell for cell in cells if cell[name]["ok"] is not None]
    if not asked:
        return "-"
    bad = [cell for cell in asked if not cell[name]["ok"]]
    worst = max(bad or asked, key=lambda cell: cell[name]["value"])
    text = worst[name]["text"][:60]
    return f"NO {text}, {worst['dtype']}, {worst['execution']}" if bad else text


def _shown(check: dict[str, Any]) -> str:
    if check["ok"] is None:
        return "-"
    return "yes" if check["ok"] else f"NO {check['text'][:60]}".strip()


def _print(title: str, columns: list[str], lines: list[list[str]]) -> None:
    table = Table(*columns, title=title, show_lines=False)
    for line in lines:
        bad = any(cell.startswith("NO") for cell in line)
        table.add_row(*line, style="red" if bad else "")
    Console(width=None if sys.stdout.isatty() else 220).print(table)


def _markdown(columns: list[str], lines: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *lines]]
