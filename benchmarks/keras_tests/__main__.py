"""Run Keras's own tests, from where Keras is installed, with what is ours put in place.

Run it by `make keras-tests`. The tests of Keras's dropout layers run on every backend with the
layers of this package, and the tests of Keras's exporters on TensorFlow with the exports of this
package. Nothing of Keras is copied or changed on disk: `plugin.py` puts ours in place for the run,
and `expectations.py` names each expectation that rightly differs, with its reason. The command
prints a table for each, and ends with status 1 where a test fails that is not named there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import expectations

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BACKENDS = ("tensorflow", "jax", "torch")
LAYERS = tuple(
    f"keras.src.layers.regularization.{name}_test"
    for name in ("dropout", "spatial_dropout", "gaussian_dropout")
)
EXPORTERS = ("keras.src.export.onnx_test", "keras.src.export.saved_model_test")

Rows = list[dict[str, Any]]


def main() -> int:
    """Run the tests, print what came of them, and return how that is to be told by a shell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--only", choices=("layers", "exporters"), help="one of the two")
    arguments = parser.parse_args()
    good = True
    if arguments.only != "exporters":
        for backend in arguments.backends:
            good &= _told(f"layers on {backend}", backend, _run(LAYERS, backend))
    if arguments.only != "layers":
        for module in EXPORTERS:
            rows = _run((module,), "tensorflow")
            good &= _told(f"{module.split('.')[-1]}, routed", "tensorflow", rows)
    return 0 if good else 1


def _run(modules: tuple[str, ...], backend: str) -> Rows:
    """Return a row for each test of some modules, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        results, settings = Path(folder) / "results.json", Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "plugin"]
        command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-c", str(settings)]
        command += ["--rootdir", folder, "-W", "ignore", "--pyargs", *modules]
        paths = [str(HERE), str(ROOT / "tests"), str(ROOT), str(ROOT / "export")]
        variables = {
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_TESTS_RESULTS": str(results),
            "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]),
        }
        done = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        if not results.exists():
            raise SystemExit(f"pytest did not end by itself:\n{done.stdout}\n{done.stderr}")
        rows: Rows = json.loads(results.read_text())
        return rows


def _told(title: str, backend: str, rows: Rows) -> bool:
    """Print what came of some tests; return whether nothing came that was not expected."""
    ran = [row for row in rows if row["ours"] and row["outcome"] != "skipped"]
    for row in ran:
        row["reason"] = expectations.reason(row["test"], backend)
    passed = [row for row in ran if row["outcome"] == "passed"]
    named = [row for row in ran if row["outcome"] == "failed" and row["reason"]]
    wrong = [row for row in ran if row["outcome"] == "failed" and not row["reason"]]
    stale = [row["test"] for row in passed if row["reason"]]
    print(f"{title}: {len(passed)} of {len(ran)} pass, {len(named)} rightly differ", end="")
    print(f", {len(wrong)} fail")
    skipped = Counter(row["outcome"] == "skipped" for row in rows)[True]
    elsewhere = len(rows) - skipped - len(ran)
    print(f"  ({skipped} that Keras skips, {elsewhere} in which nothing of ours is asked)")
    changed = Counter(name for row in rows for name in row["changed"])
    for name, count in sorted(changed.items()):
        print(f"  expected otherwise, in {count} places: {name}")
    for row in named:
        print(f"  rightly differs: {row['test']}: {row['reason']}")
    for row in wrong:
        print(f"  FAILS: {row['test']}: {row['said']}")
    for test in stale:
        print(f"  passes, though it is named as different: {test}")
    return not wrong and not stale


if __name__ == "__main__":
    sys.exit(main())
