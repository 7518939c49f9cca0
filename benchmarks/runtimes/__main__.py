"""Asks every runtime at hand for the answers of every kind of artifact: `make runtimes`.

Makes the artifacts with Keras's own answers beside them, runs each in each runtime in a process of
its own, keeps the outcomes in docs/runtimes.json and writes the table from them into
docs/runtimes.md. A runtime that crashes or hangs is an outcome. A run of some runtimes or artifacts
renews their outcomes and leaves the others.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import json
import sys
import time
from pathlib import Path

import making
import report
from artifacts import ARTIFACTS, Artifact
from outcomes import Outcome
from runtime_table import ROOT, RUNTIMES

DOCS = ROOT / "docs"
BEGIN, END = "<!-- made by benchmarks/runtimes -->", "<!-- end of what is made -->"


def main() -> int:
    """Make the artifacts, try the runtimes, print the table and write it into docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtimes", nargs="*", default=[], help="parts of names of runtimes")
    parser.add_argument("--artifacts", nargs="*", default=[], help="names of artifacts")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "runtimes")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one artifact")
    parser.add_argument("--again", action="store_true", help="make artifacts that are there, too")
    asked = parser.parse_args()
    artifacts = [each for each in ARTIFACTS if not asked.artifacts or each.name in asked.artifacts]
    runtimes = [
        each
        for each in RUNTIMES
        if not asked.runtimes or any(part in each.name for part in asked.runtimes)
    ]
    folders = {each.name: _made(each, asked.folder, asked.again) for each in artifacts}
    words = f"`make runtimes`; {report.machine()}; load {os.getloadavg()[0]:.1f} at the start."
    for runtime in runtimes:
        for artifact in artifacts:
            begin = time.perf_counter()
            found = runtime.try_on(artifact, folders[artifact.name], asked.limit)
            seconds = f"{time.perf_counter() - begin:5.1f} s"
            shown = f"{runtime.name:<26} {artifact.name:<15} {seconds}  {report.cell(found)}"
            print(f"{shown}  {found.reason}".rstrip(), flush=True)
            results = _known()  # of this moment: another run may have added to them
            results[runtime.name][artifact.name] = found
            _write(results, words)
    print(report.table(ARTIFACTS, RUNTIMES, _known()))
    return 0


def _known() -> report.Results:
    """Return the outcomes of former runs, of artifacts and runtimes that there still are."""
    path = DOCS / "runtimes.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        runtime.name: {
            artifact.name: Outcome(**row[artifact.name])
            for artifact in ARTIFACTS
            if artifact.name in row
        }
        for runtime in RUNTIMES
        for row in [rows.get(runtime.name, {})]
    }


def _made(artifact: Artifact, folder: Path, again: bool) -> Path:
    place = folder / artifact.name.replace(" ", "_")
    if again or not (place / making.CASES).exists():
        begin = time.perf_counter()
        making.make(artifact, place)
        print(f"made {artifact.name}: {time.perf_counter() - begin:.1f} s", flush=True)
    return place


def _write(results: report.Results, words: str) -> None:
    outcomes = json.dumps(report.as_json(results), indent=1, ensure_ascii=False)
    (DOCS / "runtimes.json").write_text(outcomes + "\n", encoding="utf-8")
    page = DOCS / "runtimes.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    made = report.page(ARTIFACTS, RUNTIMES, results, words)
    page.write_text(f"{before}{BEGIN}\n{made}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
