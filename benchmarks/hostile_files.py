"""Gives 1,000 damaged and hostile files to the command line: is each refused in one clear sentence?

Counts tracebacks, crashes (the process ends by a signal), hangs (no answer within a minute) and the
largest memory of the command and of the process that runs an artifact. Prints a Markdown table and
exits with status 1 if there is a traceback, a crash, a hang, or more than 2 GB. Linux only:
`python benchmarks/hostile_files.py --files 1000 --seed 0`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMIT = 2_000_000_000  # bytes of memory
PATIENCE = 90.0  # seconds until a command counts as hung; it stops an artifact itself
TIME_LIMIT = "20"  # seconds that `verify` gives an artifact
ARTIFACTS = ("onnx", "samples", "large", "saved_model", "litert", "openvino")
OUTCOMES = ("refused", "accepted", "differs", "traceback", "crash", "hang")


def make_whole_files(home: Path) -> None:
    """Write a model and one artifact of each kind, which are damaged afterwards."""
    import keras

    import keras_dropouts as kd
    import keras_dropouts_export as kde
    from keras_dropouts_export.formats.onnx import large_weights

    layers = [
        keras.Input((6, 6, 2), name="image"),
        kd.DropBlock2D(0.2, 2, name="block"),
        keras.layers.Conv2D(4, 3, name="convolution"),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5, name="drop"),
        keras.layers.Dense(3, name="score"),
    ]
    model = keras.Sequential(layers, name="model")
    model.save(home / "m.keras")
    kde.export_onnx(model, home / "onnx.onnx")
    kde.export_onnx(model, home / "samples.onnx", samples=4)
    kde.export_saved_model(model, home / "saved_model")
    kde.export_litert(model, home / "litert.tflite")
    kde.export_openvino(model, home / "openvino.xml")
    large_weights.APART = large_weights.LARGE = large_weights.KEPT = 1
    kde.export_onnx(model, home / "large.onnx")


def serve() -> None:
    """Run commands that come on standard input, and answer with what they said and took."""
    from keras_dropouts_export.checks import artifact_process
    from keras_dropouts_export.cli.__main__ import main

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        out, err = io.StringIO(), io.StringIO()
        status: Any = "escaped"
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(json.loads(line))
            except SystemExit as end:
                status = end.code
            except BaseException as error:  # noqa: BLE001  (whatever escapes is what is counted)
                err.write(f"Traceback: {type(error).__name__}: {error}")
        peaks = [peak("self"), *(peak(str(each.pid)) for each in artifact_process._running)]
        answer = {"status": status, "out": out.getvalue(), "err": err.getvalue(), "peaks": peaks}
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


def peak(process: str) -> int:
    """Return the largest memory that a process has had, in bytes."""
    try:
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    except OSError:  # it ended
        return 0
    return int(found.group(1)) * 1024 if found else 0


class Commands:
    """A process that runs commands one after the other, started anew when it ends."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, arguments: list[str]) -> dict[str, Any]:
        """Return what a command said and took, or that it crashed or hung."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._asked(["--help"], 600.0)  # its imports are not timed
        return self._asked(arguments, PATIENCE)

    def _asked(self, arguments: list[str], seconds: float) -> dict[str, Any]:
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(arguments)}\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], seconds)[0]:
            self.stop()
            return {"status": "hang"}
        line = process.stdout.readline()
        if not line:
            self.stop()
            return {"status": "crash"}
        return dict(json.loads(line))

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def outcome(answer: dict[str, Any]) -> str:
    """Return what became of a file."""
    if answer["status"] in ("hang", "crash"):
        return str(answer["status"])
    err = answer["err"]
    if answer["status"] == "escaped" or "Traceback" in err or '.py", line' in err:
        return "traceback"
    if answer["status"] == 0:
        return "accepted"
    if "NOT equal" in answer["out"] or answer["out"].startswith("{"):
        return "differs"
    return "refused" if re.search(r"^Error: ", err, re.MULTILINE) else "traceback"


def damaged(kind: str, whole: Path, folder: Path, chance: random.Random) -> list[str]:
    """Write one damaged file to a folder, and return the command that is given it."""
    import damages

    model = str(whole / "m.keras")
    if kind == "keras":
        path = folder / "m.keras"
        how: Callable[..., bytes] = chance.choice([damages.any_bytes, damages.archive])
        path.write_bytes(how((whole / "m.keras").read_bytes(), chance))
        command = chance.choice(["inspect", "inspect", "export", "strip", "doctor"])
        outs = {"export": ["out.onnx"], "strip": ["out.keras"]}.get(command, [])
        return [command, str(path), *(str(folder / each) for each in outs)]
    if kind == "saved_model":
        shutil.copytree(whole / kind, folder / kind)
        damages.in_folder(folder / kind, chance)
        return ["verify", model, str(folder / kind), "--time-limit", TIME_LIMIT]
    found = [each for each in whole.iterdir() if each.name.split(".")[0] == kind]
    for each in found:
        shutil.copy(each, folder)
    graphs = {".onnx": damages.onnx_graph, ".xml": damages.xml}
    path = folder / chance.choice(found).name
    own = graphs.get(path.suffix, damages.any_bytes)
    how = chance.choice([damages.any_bytes, own])
    path.write_bytes(how(path.read_bytes(), chance))
    main_file = next(each for each in found if each.suffix in (".onnx", ".tflite", ".xml"))
    return ["verify", model, str(folder / main_file.name), "--time-limit", TIME_LIMIT]


def main() -> None:
    """Damage, run, count, print the table, and exit with status 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--only", nargs="*", default=("keras", *ARTIFACTS), help="kinds of files")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    kinds = given.only
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    memory = dict.fromkeys(kinds, 0)
    commands = Commands()
    with tempfile.TemporaryDirectory() as home:
        whole = Path(home) / "whole"
        whole.mkdir()
        script = f"import hostile_files as h; h.make_whole_files(h.Path({str(whole)!r}))"
        folder = str(Path(__file__).parent)
        paths = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, "-c", script], check=True, env=environment)
        end = time.monotonic() + given.seconds
        for number in range(given.files):
            if time.monotonic() > end:
                break
            chance = random.Random(f"{given.seed} {number}")
            kind = kinds[number % len(kinds)]
            place = Path(home) / str(number)
            place.mkdir()
            arguments = damaged(kind, whole, place, chance)
            answer = commands.run(arguments)
            found = outcome(answer)
            counts[kind][found] += 1
            top = max(answer.get("peaks", [0]))
            memory[kind] = max(memory[kind], top)
            if found in ("traceback", "crash", "hang") or top > LIMIT:
                said = answer.get("err", "").strip()[-1500:]
                print(f"{number}: {found}, {top:,} bytes: {arguments}\n{said}", file=sys.stderr)
            shutil.rmtree(place, ignore_errors=True)
        commands.stop()
    print(f"{sum(each.total() for each in counts.values())} files, seed {given.seed}\n")
    print(f"| file | files | {' | '.join(OUTCOMES)} | GB at peak |")
    print(f"|{'---|' * (len(OUTCOMES) + 3)}")
    for kind in kinds:
        row = counts[kind]
        cells = " | ".join(str(row[each]) for each in OUTCOMES)
        print(f"| {kind} | {row.total()} | {cells} | {memory[kind] / 1e9:.2f} |")
    bad = sum(row[each] for row in counts.values() for each in ("traceback", "crash", "hang"))
    sys.exit(1 if bad or max(memory.values()) > LIMIT else 0)


if __name__ == "__main__":
    main()
