"""Check every registered layer on every backend, dtype and execution, and print the report.

Run it by `make conformance`; each backend runs in a process of its own. It writes
`docs/conformance.md` and, with all cells, `docs/conformance.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("tensorflow", "jax", "torch")
STATISTICS = ("rate", "mean", "independence")


def check_backend(path: Path, only: str) -> None:
    """Check all layers and peers on the backend of this process and write the cells."""
    import conformance_checks as checks

    from subjects import SUBJECTS

    rows: list[dict[str, Any]] = []
    for subject in [each for each in SUBJECTS if only in each.name] + _peers(only):
        ours = subject.name in {each.name for each in SUBJECTS}
        row: dict[str, Any] = {"layer": subject.name, "ours": ours, "once": {}, "cells": []}
        for dtype in checks.DTYPES:
            for execution in checks.EXECUTIONS:
                found = _run(lambda: checks.statistics(subject, dtype, execution), None)  # noqa: B023
                row["cells"].append({"dtype": dtype, "execution": execution, **_plain(found)})
        for name, check in checks.ONCE.items():
            row["once"] |= _plain({name: _run(lambda: check(subject), checks.Check)})  # noqa: B023
        rows.append(row)
        print(".", end="", flush=True, file=sys.stderr)
    path.write_text(json.dumps(rows))


def _run(check: Any, kind: Any) -> Any:
    """Return what a check finds; an error is a finding, too: the layer cannot do it."""
    import conformance_checks as checks

    try:
        return check()
    except Exception as error:  # noqa: BLE001 - peers fail in ways of their own
        failed = checks.Check(False, f"{type(error).__name__}: {error}"[:200], float("inf"))
        return failed if kind else dict.fromkeys(STATISTICS, failed)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    return {name: vars(check) for name, check in found.items()}


def _peers(only: str) -> list[Any]:
    """Return Keras's own layers, to be checked in the same way."""
    import keras

    from subjects import Subject

    names = {
        "Dropout": (6, 10),
        "SpatialDropout1D": (6, 9),
        "SpatialDropout2D": (5, 7, 6),
        "GaussianDropout": (6, 10),
    }
    return [
        Subject(
            f"keras.layers.{name}",
            getattr(keras.layers, name),
            shape,
            dropped=name != "GaussianDropout",
            schedules=False,  # they have none
        )
        for name, shape in names.items()
        if only in f"keras.layers.{name}"
    ]


def report(results: dict[str, list[dict[str, Any]]]) -> tuple[list[list[str]], int]:
    """Return the lines of the table, one a layer and backend, and how many of ours fail."""
    lines, failures = [], 0
    for backend, rows in results.items():
        for row in rows:
            cells = [cell[name] for cell in row["cells"] for name in STATISTICS]
            everything = [*cells, *row["once"].values()]
            asked = [check for check in everything if check["ok"] is not None]
            passed = sum(check["ok"] for check in asked)
            failures += row["ours"] and passed < len(asked)
            worst = [_worst([cell[name] for cell in row["cells"]]) for name in STATISTICS]
            once = [_shown(check) for check in row["once"].values()]
            lines.append([backend, row["layer"], *worst, *once, f"{passed}/{len(asked)}"])
    return lines, failures


def _worst(found: list[dict[str, Any]]) -> str:
    asked = [check for check in found if check["ok"] is not None]
    if not asked:
        return "-"
    bad = [check for check in asked if not check["ok"]]
    check = max(bad or asked, key=lambda each: each["value"])
    text = check["text"].split(" (")[0]
    return f"FAILS: {text[:40]}" if bad else text


def _shown(check: dict[str, Any]) -> str:
    if check["ok"] is None:
        return "-"
    return "yes" if check["ok"] else f"NO {check['text'][:40]}".strip()


def main() -> int:
    """Run the backends one after the other, print the table and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--only", default="", help="check the layers with this in their name")
    parser.add_argument("--cells", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cells:
        sys.path.insert(0, str(ROOT / "tests"))
        check_backend(arguments.cells, arguments.only)
        return 0
    results = {}
    for backend in arguments.backends:
        results[backend] = _in_process(backend, arguments.only)
    columns = ["backend", "layer", "rate", "mean", "independence"]
    columns += [*next(iter(results.values()))[0]["once"], "passed"]
    lines, failures = report(results)
    _print(columns, lines)
    if not arguments.only and set(arguments.backends) == set(BACKENDS):
        _write(columns, lines, results)
    print(f"{failures} of this package's rows fail." if failures else "All of ours pass.")
    return 1 if failures else 0


def _in_process(backend: str, only: str) -> list[dict[str, Any]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.json"
        command = [sys.executable, __file__, "--cells", str(path), "--only", only]
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, env=environment, check=True)
        print(f" {backend}", file=sys.stderr)
        return json.loads(path.read_text())


def _print(columns: list[str], lines: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title="Conformance", show_lines=False)
    for line in lines:
        table.add_row(*line, style="red" if any("FAILS" in x or "NO" in x for x in line) else "")
    Console(width=None if sys.stdout.isatty() else 220).print(table)


def _write(columns: list[str], lines: list[list[str]], results: dict[str, Any]) -> None:
    head = (ROOT / "benchmarks" / "conformance_head.md").read_text()
    body = [f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *lines]]
    where = f"Run on {platform.machine()}, Python {platform.python_version()}."
    docs = ROOT / "docs"
    (docs / "conformance.md").write_text("\n".join([head, where, "", *body, ""]))
    (docs / "conformance.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
