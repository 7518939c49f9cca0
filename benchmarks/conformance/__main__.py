"""Check every registered layer on every backend, dtype and execution, and print the report.

Run it by `make conformance`; each backend runs in a process of its own. It writes
`docs/conformance.md` and, with all cells, `docs/conformance.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")


def main() -> int:
    """Run the backends one after the other, print the tables and write the report."""
    import report

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--only", default="", help="check the layers with this in their name")
    parser.add_argument("--cells", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cells:
        return _check_here(arguments.cells, arguments.only)
    rows = [row for name in arguments.backends for row in _in_process(name, arguments.only)]
    whole = not arguments.only and set(arguments.backends) == set(BACKENDS)
    return report.publish(rows, ROOT / "docs" if whole else None)


def _check_here(path: Path, only: str) -> int:
    import cells

    path.write_text(json.dumps(cells.every_row(only)))
    return 0


def _in_process(backend: str, only: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.json"
        command = [sys.executable, str(Path(__file__)), "--cells", str(path), "--only", only]
        shared = [str(ROOT / "tests"), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
        variables = {
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(shared),
        }
        subprocess.run(command, env={**os.environ, **variables}, check=True)
        print(f" {backend}", file=sys.stderr)
        found: list[dict[str, Any]] = json.loads(path.read_text())
        return found


if __name__ == "__main__":
    sys.exit(main())
