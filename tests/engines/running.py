"""Runs commands in the environment of the engines, and finds and ends the processes they start."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-engines" / "bin" / "python"
COMMAND = ROOT / ".venv-engines" / "bin" / "keras-dropouts"
_LONGEST = 540.0  # seconds that an engine may take to start, score and end on a machine under load
_MARK = "KERAS_DROPOUTS_TEST_RUN"


class Running:
    """A command that runs, and the processes that it has started, known by a variable of theirs."""

    def __init__(self, *command: object) -> None:
        self.mark = uuid.uuid4().hex
        kept = {key: x for key, x in os.environ.items() if not key.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env={**kept, _MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self) -> tuple[int, str, str]:
        """Wait for the end; return (exit status, what was printed, what was complained about)."""
        printed, complained = self.process.communicate(timeout=_LONGEST)
        return self.process.returncode, printed, complained

    def processes(self) -> dict[int, str]:
        """Return the command lines of all that this run started, by their numbers."""
        found = {}
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and self.mark.encode() in _read(folder / "environ"):
                    line = _read(folder / "cmdline").replace(b"\0", b" ").decode()
                    if line:  # one that has ended and was not waited for has none
                        found[int(folder.name)] = line
        return found

    def kill(self, number: int) -> None:
        """Kill one of the processes that this run started."""
        assert number in self.processes()
        os.kill(number, signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill every process that this run started."""
        for number in self.processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def _read(path: Path) -> bytes:
    return path.read_bytes()


@contextmanager
def running(*command: object) -> Iterator[Running]:
    """Start a command; whatever is left of it is killed at the end."""
    run = Running(*command)
    try:
        yield run
    finally:
        run.kill_all()
        run.process.communicate()


def wait_until(condition: Callable[[], bool], run: Running) -> None:
    """Wait until something is true while a run goes on."""
    end = time.monotonic() + _LONGEST
    while not condition():
        assert run.process.poll() is None, run.process.communicate()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def parent(number: int) -> int:
    """Return the number of the process that started one."""
    return int(_read(Path(f"/proc/{number}/stat")).rpartition(b")")[2].split()[1])
