"""Kills exports that overwrite an artifact, at random moments and at every rename: is any lost?

Each process gets SIGKILL: at a random moment of a whole export, and before and after each rename
with which a finished artifact takes the place of another. Then it is looked at what is at the path,
by comparing its bytes or running it, and once more after the next run has cleared up. Prints
Markdown tables and exits with status 1 if an artifact was lost. Linux only:
`python benchmarks/kills.py --random 100`.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_dropouts_export as kde
from keras_dropouts_export import formats
from keras_dropouts_export.cli.model_file import KerasFile, read_model, write_verified
from keras_dropouts_export.destination import (
    Layout,
    put_in_place,
    recover,
    renames,
    workplace,
)
from keras_dropouts_export.formats.onnx import large_weights
from keras_dropouts_export.tracing.inference_function import inference_function

RENAMES = ("exchange", "rename_new", "replace", "second_name")
OLD, NEW = 1.0, 2.0
HEAD = """\
| artifact | renames | kills | old at once | new at once | nothing until next run | said so | lost |
|---|---|---|---|---|---|---|---|"""


def model(bias: float) -> keras.Model:
    """Return a model whose every output is `bias`."""
    layers = [
        keras.Input((8,), name="x"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(
            64,
            name="y",
            kernel_initializer="zeros",
            bias_initializer=keras.initializers.Constant(bias),
        ),
    ]
    return keras.Sequential(layers, name="model")


def weights_apart() -> None:
    """Let an ONNX file have its weights in a second file however small they are."""
    large_weights.APART = large_weights.LARGE = large_weights.KEPT = 1


def write_keras(of: keras.Model, path: Path, overwrite: bool) -> None:
    """Write a .keras file as the command line does."""
    write_verified(kde.strip_dropout(of), of, path, overwrite)


def write_onnx_apart(of: keras.Model, path: Path, overwrite: bool) -> None:
    """Write an ONNX file and one with its weights."""
    weights_apart()
    kde.export_onnx(of, path, overwrite=overwrite)


# What is exported, by its name: the name of the file and the function that writes it.
WRITERS: dict[str, tuple[str, Callable[..., Any]]] = {
    ".keras": ("m.keras", write_keras),
    "ONNX": ("m.onnx", kde.export_onnx),
    "ONNX, weights in a second file": ("large.onnx", write_onnx_apart),
    "SavedModel": ("m", kde.export_saved_model),
    "LiteRT": ("m.tflite", kde.export_litert),
    "OpenVINO": ("m.xml", kde.export_openvino),
}


def in_child(function: Callable[..., Any], *arguments: Any, kill_after: float | None = None) -> Any:
    """Return what a function returns in a process of its own, None if that was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            found = ("returned", function(*arguments))
        except BaseException as error:  # noqa: BLE001  (whatever it is, the parent says it)
            found = ("raised", f"{type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as answer:
            pickle.dump(found, answer)
        os._exit(0)
    os.close(writing)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if not text:
        raise SystemExit(f"A process ended with status {status} and without an answer.")
    how, value = pickle.loads(text)
    if how == "raised":
        raise SystemExit(f"{function.__name__}{arguments}: {value}")
    return value


def write(name: str, path: Path, bias: float, system_call: bool) -> None:
    """Write an artifact as a user does."""
    if not system_call:
        renames._system_call = lambda: None  # type: ignore[assignment]
    WRITERS[name][1](model(bias), path, overwrite=True)


def layout_of(path: Path) -> Layout:
    """Return how the artifact at a path lies on the disk."""
    if path.suffix in KerasFile().suffixes:
        return KerasFile()
    return formats.by_suffix(path).make()


def place(path: Path, finished: Path, system_call: bool, kill_at: int) -> int:
    """Put a finished artifact in place; at rename `kill_at` (after it if negative) end at once."""
    calls = 0

    def killing(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            mine = calls
            if mine == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            found = original(*arguments)
            if mine == -kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return step

    if not system_call:
        renames._system_call = lambda: None  # type: ignore[assignment]
    for each in RENAMES:
        setattr(renames, each, killing(getattr(renames, each)))
    layout = layout_of(path)
    with workplace(path) as work:
        shutil.copytree(finished, work, dirs_exist_ok=True)
        put_in_place(work / path.name, path, layout, overwrite=True)
    return calls


def value_at(path: Path) -> str:
    """Return which artifact is at a path: "old", "new", "nothing", or "broken" and why."""
    if not path.exists():
        return "nothing"
    try:
        inputs = {"x": np.zeros((2, 8), np.float32)}
        if path.suffix in KerasFile().suffixes:
            outputs = [inference_function(read_model(path))(inputs)]
        else:
            runs = formats.format_at(path).runs(path, inference_function(model(OLD)))
            outputs = [run(inputs) for run in runs.values()]
    except Exception as error:  # noqa: BLE001  (what is broken is what is measured here)
        return f"broken: {error}"
    found = {float(value) for each in outputs for value in np.unique(next(iter(each.values())))}
    return {(OLD,): "old", (NEW,): "new"}.get(tuple(found), f"broken: {found}")


def next_run(path: Path) -> list[str]:
    """Clear up as the next export to a path does, and return what it says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recover(path)
    return [str(each.message) for each in caught]


def contents(folder: Path, names: set[str]) -> dict[str, bytes]:
    """Return the bytes of all files of an artifact."""
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file() and each.relative_to(folder).parts[0] in names
    }


class Case:
    """One kind of artifact, overwritten with the system call for exchanges or without it."""

    def __init__(self, name: str, system_call: bool, home: Path) -> None:
        self.name, self.system_call = name, system_call
        parts = (home / each for each in ("folder", "backup", "finished"))
        self.folder, self.backup, self.finished = parts
        self.path = self.folder / WRITERS[name][0]
        self.counts: Counter[str] = Counter()
        self.lost: list[str] = []
        self.folder.mkdir(parents=True)
        for bias, copy in ((NEW, self.finished), (OLD, self.backup)):
            in_child(write, name, self.path, bias, True)
            shutil.copytree(self.folder, copy)
        self.names = {each.name for each in self.folder.iterdir()}

    def reset(self) -> None:
        """Put the old artifact at the path."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.backup, self.folder)

    def seconds(self) -> float:
        """Return how long an export takes that nothing kills."""
        start = time.monotonic()
        in_child(write, self.name, self.path, NEW, self.system_call)
        return time.monotonic() - start

    def at_path(self) -> str:
        """Return which artifact is at the path: by its bytes if they are known, else it is run."""
        found = contents(self.folder, self.names)
        for name, copy in (("old", self.backup), ("new", self.finished)):
            if found == contents(copy, self.names):
                return name
        return str(in_child(value_at, self.path))

    def look(self, when: str) -> None:
        """Count what is at the path now and after the next run."""
        self.counts["kills"] += 1
        at_once = self.at_path()
        said = next_run(self.path)
        later = self.at_path()
        self.counts[at_once.split(":")[0]] += 1
        self.counts["said"] += bool(said)
        left = {each.name for each in self.folder.iterdir()} - self.names
        if later not in ("old", "new") or (at_once.startswith("broken")) or left:
            self.lost.append(f"{self.name}, {when}: {at_once}, then {later}, left {sorted(left)}")

    def at_random_moment(self, chance: random.Random, longest: float) -> None:
        """Kill one export at a random moment of the time that it takes."""
        self.reset()
        moment = chance.uniform(0.0, longest)
        in_child(write, self.name, self.path, NEW, self.system_call, kill_after=moment)
        self.look(f"after {moment:.3f} s")

    def at_every_rename(self) -> None:
        """Kill one export before and one after each rename."""
        for sign in (1, -1):
            number = 1
            while True:
                self.reset()
                kill_at = sign * number
                found = in_child(place, self.path, self.finished, self.system_call, kill_at)
                if found is not None:
                    break
                self.look(f"{'before' if sign > 0 else 'after'} rename {number}")
                number += 1

    def row(self) -> str:
        """Return the line of the table."""
        numbers = [self.counts[each] for each in ("kills", "old", "new", "nothing", "said")]
        how = "`renameat2`" if self.system_call else "without it"
        return f"| {self.name} | {how} | {' | '.join(map(str, numbers))} | {len(self.lost)} |"


def main() -> None:
    """Kill, look, print the table, and exit with status 1 if an artifact was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=100, help="kills at random moments")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(WRITERS), help="kinds of artifacts")
    parser.add_argument("--no-renames", action="store_true", help="leave out kills at renames")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        pairs = [(name, how) for name in given.only for how in (True, False)]
        cases = [Case(name, how, Path(home) / str(i)) for i, (name, how) in enumerate(pairs)]
        if not given.no_renames:
            for case in cases:
                case.at_every_rename()
            lost += _printed("At every rename", cases)
        if given.random:
            longest = {id(case): case.seconds() for case in cases}
            for number in range(given.random):
                case = cases[number % len(cases)]
                case.at_random_moment(chance, longest[id(case)])
            lost += _printed("At random moments", cases)
    sys.exit(1 if lost else 0)


def _printed(title: str, cases: list[Case]) -> list[str]:
    """Print one table, begin to count anew, and return what was lost."""
    kills = sum(case.counts["kills"] for case in cases)
    lost = [each for case in cases for each in case.lost]
    print(f"{title}: {kills} kills, {len(lost)} losses\n\n{HEAD}")
    for case in cases:
        print(case.row())
        case.counts.clear()
        case.lost = []
    print("\n".join(["", *lost]), flush=True)
    return lost


if __name__ == "__main__":
    main()
