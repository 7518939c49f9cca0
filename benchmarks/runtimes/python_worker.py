"""Answers the cases of one artifact in one runtime that Python reaches, in a process of its own.

`python python_worker.py RUNTIME ARTIFACT CASES ANSWERS` writes to ANSWERS, as far as it comes, what
node_worker.mjs and browser_page.mjs write, too: whether the artifact was loaded, the answers, and
the first lines of an error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import exchange
import python_runtimes


def main(runtime: str, artifact: Path, cases: Path, answers: Path) -> None:
    """Load the artifact, and answer case by case."""
    given = exchange.read(cases)
    inputs = [exchange.decoded(case["inputs"]) for case in given["cases"]]
    state: dict[str, Any] = {"version": "", "loaded": False, "answers": [], "error": ""}
    try:
        load = getattr(python_runtimes, runtime)
        run, state["version"] = load(artifact, given["names"], inputs[0])
        state["loaded"] = True
        for x in inputs:
            exchange.write(answers, state)  # should the runtime end the process
            state["answers"].append(exchange.encoded(run(x)))
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises is its outcome
        state["error"] = f"{type(error).__name__}: {error}"
    exchange.write(answers, state)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]))
