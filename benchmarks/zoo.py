"""Every model of the zoo, out of training by every way, and what each way came to.

Run it by `make zoo`, or `make zoo ZOO="tagger gru"` for the models with these in their names. The
zoo holds small models after the public examples of keras.io (`tests/keras_io`), ordinary models of
every kind of layer (`tests/zoo.py`), and every backbone and task of keras_hub that builds in a
small size. Each is stripped, exported as a SavedModel and as ONNX, and exported with Monte-Carlo
samples where it has dropout. The loaded SavedModel and onnxruntime must answer what
`model(x, training=False)` itself does, and the samples must be those of `mc_predict`, on two
batches whose sizes and lengths differ. A model that is refused must be refused in a sentence that
is expected and named. Models run in processes of several each; it ends with status 1 where
anything comes out that is not expected.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
TOGETHER = 8  # models in one process
WAYS = ("strip", "saved_model", "onnx", "samples")

Rows = list[dict[str, Any]]


def _here(names: list[str]) -> None:
    """Print a line of JSON for each way of each model."""
    import keras

    import leaving
    import whole_zoo

    warnings.simplefilter("ignore")
    for name in names:
        keras.utils.set_random_seed(4)
        begin = time.perf_counter()
        example = whole_zoo.ZOO[name]
        with tempfile.TemporaryDirectory() as folder:
            found = leaving.outcomes(example, Path(folder), told=name not in whole_zoo.UNTOLD)
        seconds = round(time.perf_counter() - begin, 1)
        for each in found:
            print(json.dumps({"model": name, "seconds": seconds, **vars(each)}), flush=True)


def _in_process(names: list[str]) -> Rows:
    """Return the rows of some models from a process of their own."""
    command = [sys.executable, __file__, "--here", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    left = [name for name in names if name not in {row["model"] for row in rows}]
    if left:
        if len(names) > 1:  # one of them ended the process; the others get one of their own
            return rows + [row for name in left for row in _in_process([name])]
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        row = {"way": "all", "status": f"ended with {done.returncode}", "said": said}
        rows.append({"model": names[0], "seconds": 0.0, **row, "expected": False})
    return rows


def _tell(rows: Rows) -> None:
    """Print a line for a model, and what was not expected."""
    for name in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == name]
        ways = ", ".join(f"{row['way']} {row['status']}" for row in own)
        print(f"{name:<34} {own[0]['seconds']:5.1f} s  {ways}", flush=True)
        for row in own:
            if not row["expected"]:
                print(f"    NOT EXPECTED of {row['way']}: {row['said']}", flush=True)


def _figures(rows: Rows) -> None:
    """Print how many models each way was right for, and the refusals with their sentences."""
    print(f"\n{len({row['model'] for row in rows})} models")
    for way in WAYS:
        counts = Counter(row["status"] for row in rows if row["way"] == way)
        print(f"  {way:<12}" + ", ".join(f"{n} {status}" for status, n in counts.most_common()))
    refused = [row for row in rows if row["status"] == "refused"]
    for row in refused:
        print(f"  {row['model']} as {row['way']}: {' '.join(row['said'].split())[:300]}")


def main() -> int:
    """Run the models and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="parts of the names; every model by default")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        _here(arguments.parts)
        return 0
    import whole_zoo

    parts = arguments.parts or [""]
    names = [name for name in whole_zoo.ZOO if any(part in name for part in parts)]
    rows: Rows = []
    for start in range(0, len(names), TOGETHER):
        made = _in_process(names[start : start + TOGETHER])
        _tell(made)
        rows += made
    _figures(rows)
    return 0 if all(row["expected"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
