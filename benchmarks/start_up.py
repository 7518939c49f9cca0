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
KERAS, BOTH = "import keras", "import keras; import keras_dropouts"
# What is run, by its name: the command, the environment that it needs, and the limit in seconds.
ROWS: dict[str, tuple[list[str], dict[str, str], float | None]] = {
    "`keras-dropouts --help`": ([COMMAND, "--help"], {}, 0.5),
    "`keras-dropouts --version`": ([COMMAND, "--version"], {}, 0.5),
    "`keras-dropouts export --help`": ([COMMAND, "export", "--help"], {}, 0.5),
    "shell completion": ([COMMAND], COMPLETION, 0.5),
    f"`{KERAS}`": ([sys.executable, "-c", KERAS], {}, None),
    f"`{BOTH}`": ([sys.executable, "-c", BOTH], {}, None),
}
MOST_ADDED = 0.15  # seconds that `import keras_dropouts` may add to `import keras`


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return the CPU time, of user and system, that a command takes in a process of its own."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"{' '.join(command)} failed. Run it to see why.")
    return used.ru_utime + used.ru_stime


def measured(repeats: int) -> dict[str, float]:
    """Return the median of each row; a first round that fills the caches is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ROWS}
    for _ in range(repeats + 1):
        for name, (command, environment, _) in ROWS.items():
            times[name].append(cpu_seconds(command, environment))
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def main() -> None:
    """Measure, print the table, and exit with status 1 if a limit is exceeded."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    found = measured(repeats)
    limits = {name: limit for name, (_, _, limit) in ROWS.items()}
    added = "`import keras_dropouts` after `import keras`"
    found[added] = found[f"`{BOTH}`"] - found[f"`{KERAS}`"]
    limits[added] = MOST_ADDED
    print("| what | CPU seconds | limit |\n|---|---|---|")
    for name, seconds in found.items():
        limit = limits[name]
        print(f"| {name} | {seconds:.2f} | {'' if limit is None else limit} |")
    if any(limit is not None and found[name] > limit for name, limit in limits.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
