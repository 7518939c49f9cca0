"""Measures the CPU time until the command line answers, and that of importing the packages.

Each command runs in a process of its own, several times, in turn with the others. Prints a
Markdown table of medians: `python benchmarks/start_up.py [REPEATS]`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("keras-dropouts"))
COMPLETION = {
    "_KERAS_DROPOUTS_COMPLETE": "bash_complete",
    "COMP_WORDS": "keras-dropouts ex",
    "COMP_CWORD": "1",
}
# What is run, by its name: the arguments of the command, and variables of the environment.
COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "`keras-dropouts --help`": (["--help"], {}),
    "`keras-dropouts --version`": (["--version"], {}),
    "`keras-dropouts export --help`": (["export", "--help"], {}),
    "shell completion": ([], COMPLETION),
}
# One process, as the difference of two would hold the noise of both.
IMPORTS = """
import time
import keras
before = time.process_time()
import keras_dropouts
print(before, time.process_time() - before)
"""
KERAS, OURS = "`import keras`", "`import keras_dropouts` after `import keras`"
# Seconds of CPU time that each row may take; Keras's own time is there to be compared with.
LIMITS = {**dict.fromkeys(COMMANDS, 0.5), OURS: 0.15}


def run(command: list[str], variables: dict[str, str]) -> tuple[float, str]:
    """Return the CPU time of a process, of user and system, and what it printed."""
    with subprocess.Popen(
        command,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
    if status:
        raise SystemExit(f"{' '.join(command)} failed. Run it to see why.")
    return used.ru_utime + used.ru_stime, printed


def measured(repeats: int) -> dict[str, float]:
    """Return the median of each row; a first round that fills the caches is not counted."""
    times: dict[str, list[float]] = {name: [] for name in (*COMMANDS, KERAS, OURS)}
    for _ in range(repeats + 1):
        for name, (arguments, variables) in COMMANDS.items():
            times[name].append(run([COMMAND, *arguments], variables)[0])
        _, printed = run([sys.executable, "-c", IMPORTS], {})
        for name, seconds in zip((KERAS, OURS), printed.split(), strict=True):
            times[name].append(float(seconds))
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def main() -> None:
    """Measure, print the table, and exit with status 1 if a limit is exceeded."""
    found = measured(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    print("| what | CPU seconds | limit |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.2f} | {LIMITS.get(name, '')} |")
    if any(seconds > LIMITS.get(name, seconds) for name, seconds in found.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
