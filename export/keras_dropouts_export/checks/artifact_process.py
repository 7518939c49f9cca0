"""Runs an artifact in a process of its own, which may hang, crash or fill the memory."""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Arrays, Run, unreadable
from keras_dropouts_export.formats.interface import Interface
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_SERVER = "from keras_dropouts_export.checks.artifact_server import serve; serve()"
# Packages that bring operations of TensorFlow; an artifact may need those that are imported here.
_OPERATIONS = ("tensorflow_text", "tensorflow_decision_forests")


class Runtime(Protocol):
    """What a comparison asks of an artifact; every `Format` does it in this process."""

    @property
    def keeps_plain_function(self) -> bool:
        """Whether an artifact with Monte-Carlo dropout holds the function without it, too."""

    def precision_in(self, path: Path) -> str | None:
        """Return "float16" or "int8" of an artifact that was made less precise, else None."""

    def sampling_in(self, path: Path) -> str | None:
        """Return how an artifact samples, as JSON text, None where it holds no dropout."""

    def decided_in(self, path: Path) -> str | None:
        """Return what an artifact says of its outputs beside them, as JSON text, or None."""

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        """Return, by the name of the runtime, what runs the artifact on a dict of arrays."""

    def inner_values(self, path: Path, names: Sequence[str], inputs: Arrays) -> Arrays:
        """Return those inner tensors of an artifact that have one of `names`, by name."""


class Apart:
    """An artifact that runs in another process, for at most `time_limit` seconds in all.

    providers: execution providers of onnxruntime, None for its CPU.

    Raises:
        FileNotFoundError: if nothing is at `path`.
        ValueError: if what is there is of no format that is known.
    """

    def __init__(
        self, path: Path, time_limit: float, providers: tuple[str, ...] | None = None
    ) -> None:
        self.providers = providers
        self.keeps_plain_function = format_at(path).keeps_plain_function
        self.path, self.limit, self.left = path, time_limit, time_limit
        with _lock:
            _process()  # which takes seconds to start, and need not be waited for yet

    def precision_in(self, path: Path) -> str | None:
        """Return "float16" or "int8" of an artifact that was made less precise, else None."""
        found: str | None = self._asked(path, "precision_in")
        return found

    def sampling_in(self, path: Path) -> str | None:
        """Return how the artifact samples, as JSON text, None where it holds no dropout."""
        found: str | None = self._asked(path, "sampling_in")
        return found

    def decided_in(self, path: Path) -> str | None:
        """Return what the artifact says of its outputs beside them, as JSON text, or None."""
        found: str | None = self._asked(path, "decided_in")
        return found

    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        """Return, by the name of the runtime, what runs the artifact on a dict of arrays."""
        names = self._asked(path, "load", _interface(function), self.providers)
        return {name: self._run(path, name) for name in names}

    def interface(self, path: Path) -> Interface | None:
        """Return what a server is told of the artifact, None where `package` does not take it."""
        found: Interface | None = self._asked(path, "interface")
        return found and replace(found, run=lambda inputs: self._asked(path, "answers", inputs))

    def _run(self, path: Path, name: str) -> Run:
        return lambda inputs: self._asked(path, "run", name, inputs)

    def inner_values(self, path: Path, names: Sequence[str], inputs: Arrays) -> Arrays:
        """Return those inner tensors of the artifact that have one of `names`, by name."""
        found: Arrays = self._asked(path, "inner_values", list(names), inputs)
        return found

    def _asked(self, path: Path, method: str, *arguments: Any) -> Any:
        with _lock:
            answers = _process()
            _wait_until_ready(answers)
            start = time.monotonic()
            answer = _answer(answers, (max(self.left, 0.001), path, method, arguments))
            self.left -= time.monotonic() - start
        if answer is None:
            if self.left <= 0:
                raise invalid(
                    "path",
                    f"an artifact that gives its outputs within {self.limit:g} seconds",
                    str(self.path),
                    "It was stopped. Pass a longer `time_limit` (on the command line, "
                    "`--time-limit`) if it needs more.",
                )
            raise unreadable(path, "artifact", "the process that loaded it ended at once")
        kind, value = answer
        if kind == "missing":
            raise ModuleNotFoundError(value[0], name=value[1])
        if kind == "invalid":
            raise ValueError(value)
        if kind == "unknown":
            raise unreadable(path, "artifact", value)
        return value


def _interface(function: InferenceFunction) -> InferenceFunction:
    """Return what is known of a function without the function, which cannot be sent."""
    signature = replace(function.signature, structure=None)
    nothing: Any = None
    return replace(
        function,
        model=nothing,
        concrete=nothing,
        eager=nothing,
        retrace=None,
        output_structure=None,
        chosen=None,
        elsewhere=None,
        forward=None,
        decided=None,
        signature=signature,
    )


_lock = threading.Lock()
_running: list[subprocess.Popen[bytes]] = []  # one or none
_starting: list[subprocess.Popen[bytes]] = []  # the same, until it says that it is ready


def _process() -> subprocess.Popen[bytes]:
    """Return the process that runs artifacts, started where there is none."""
    if _running and _running[0].poll() is None:
        return _running[0]
    _stop()
    imports = "".join(f"import {each}; " for each in _OPERATIONS if each in sys.modules)
    paths = os.pathsep.join(os.path.abspath(each) for each in sys.path)
    started = subprocess.Popen(
        [sys.executable, "-P", "-c", imports + _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    _running.append(started)
    _starting.append(started)
    return started


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    if process in _starting:
        _starting.remove(process)
        if _read(process) != "ready":
            raise RuntimeError("The process that runs artifacts cannot be started.")


def _answer(process: subprocess.Popen[bytes], request: Any) -> Any:
    """Return the answer to a request, None if the process ended instead."""
    assert process.stdin is not None
    try:
        pickle.dump(request, process.stdin)
        process.stdin.flush()
        return _read(process)
    except BrokenPipeError:
        return None
    except BaseException:  # an interrupt: the answer would be taken for that to the next request
        _stop()
        raise


def _read(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    try:
        return pickle.load(process.stdout)
    except (EOFError, pickle.UnpicklingError):  # it ended, or ended in the middle
        _stop()
        return None


@atexit.register
def _stop() -> None:
    """End the process, if there is one."""
    while _running:
        process = _running.pop()
        process.kill()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        process.wait()
