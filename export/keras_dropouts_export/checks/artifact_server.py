"""Runs artifacts that may be hostile: the process that `checks/artifact_process.py` starts."""

from __future__ import annotations

import faulthandler
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Run
from keras_dropouts_export.memory_limit import memory_limit

# Bytes of memory that an artifact may take: these, and so many times its size on the disk.
_FREE, _RATIO = 2**30, 8


def serve() -> None:
    """Answer requests on standard input until it is closed.

    What native code prints goes nowhere, and the answers have a stream of their own.
    """
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = open(os.devnull, "wb")  # noqa: SIM115  (open as long as the process lives)
    os.dup2(nowhere.fileno(), 1)
    home = _Artifacts()
    pickle.dump("ready", answers)
    answers.flush()
    while True:
        try:
            seconds, path, method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        # It ends the process, whatever native code is doing.
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        answer = _answered(home, path, method, arguments)
        faulthandler.cancel_dump_traceback_later()
        pickle.dump(answer, answers)
        answers.flush()


def _answered(home: _Artifacts, path: Path, method: str, arguments: tuple[Any, ...]) -> Any:
    """Return (None, value), or the kind of an error and its text."""
    try:
        with memory_limit(_FREE + _RATIO * _size(path)):
            return None, getattr(home, method)(path, *arguments)
    except ModuleNotFoundError as error:
        return "missing", (str(error), error.name)
    except ValueError as error:
        return "invalid", str(error)
    except Exception as error:  # noqa: BLE001  (whatever a library raises of a damaged or hostile artifact)
        return "unknown", f"{type(error).__name__}: {error}"


def _size(path: Path) -> int:
    found = [path, *path.rglob("*")] if path.is_dir() else [*path.parent.glob(f"{path.stem}.*")]
    return sum(each.lstat().st_size for each in found)


class _Artifacts:
    """The runs of the artifact that is being asked about."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.last = ""
        self.served: Run | None = None

    def interface(self, path: Path) -> Any:
        found = format_at(path).interface(path)
        if found is None:
            return None
        self.served = found.run
        nothing: Any = None
        return replace(found, run=nothing)  # which cannot be sent

    def answers(self, _: Path, inputs: Any) -> Any:
        assert self.served is not None
        return self.served(inputs)

    def precision_in(self, path: Path) -> str | None:
        return format_at(path).precision_in(path)

    def sampling_in(self, path: Path) -> str | None:
        return format_at(path).sampling_in(path)

    def decided_in(self, path: Path) -> str | None:
        return format_at(path).decided_in(path)

    def load(self, path: Path, function: Any, providers: tuple[str, ...] | None) -> list[str]:
        home = format_at(path)
        home = home if providers is None else home.on_providers(providers)
        self.runs = home.runs(path, function)
        self.last = ""
        return list(self.runs)

    def run(self, _: Path, runtime: str, inputs: Any) -> Any:
        if self.last not in ("", runtime):  # each holds the weights, and it is not asked again
            self.runs.pop(self.last, None)
        self.last = runtime
        return self.runs[runtime](inputs)

    def inner_values(self, path: Path, names: list[str], inputs: Any) -> Any:
        return format_at(path).inner_values(path, names, inputs)
