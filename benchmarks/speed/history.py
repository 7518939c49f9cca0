"""Keeps the ratios of each run, a line of JSON for one, and draws them over time."""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from goals import Goal, ratios

_SHOWN = (
    "ScheduledDropout over keras Dropout, tensorflow graph, 32x28x28x128",
    "ScheduledDropout over keras Dropout, tensorflow graph, 128x512",
    "DropBlock2D over keras Dropout, tensorflow graph, 32x28x28x128",
    "ScheduledDropout over copy, tensorflow jit, 32x28x28x128",
    "DropBlock2D over copy, tensorflow jit, 32x28x28x128",
    "ScheduledDropout over copy, jax jit, 32x28x28x128",
    "ScheduledDropout over keras Dropout, torch eager, 32x28x28x128",
)


def name_of(goal: Goal) -> str:
    """Return what a ratio is called."""
    shape = "x".join(map(str, goal.shape))
    return f"{goal.ours} over {goal.theirs}, {goal.backend} {goal.mode}, {shape}"


def append(results: dict[str, Any], path: Path) -> None:
    """Add a line for a run: when, on which commit and machine, and its ratios."""
    line = {
        "date": datetime.date.today().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "environment": results["environment"],
        "ratios": {name_of(goal): round(ratio, 4) for goal, ratio, _ in ratios(results)},
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def draw(path: Path, picture: Path) -> None:
    """Write a picture of the ratios over the runs of a history."""
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    labels = [f"{run['date']}\n{run['commit']}" for run in runs]
    figure, axis = plt.subplots(figsize=(9, 4.5))
    for name in _SHOWN:
        points = [(i, run["ratios"][name]) for i, run in enumerate(runs) if name in run["ratios"]]
        if points:
            axis.semilogy(*zip(*points, strict=True), "o-", label=name)
    axis.axhline(1.0, color="0.6", lw=1)
    axis.set_xticks(range(len(runs)), labels)
    axis.set_yticks([0.25, 0.5, 1.0, 2.0, 4.0], ["0.25", "0.5", "1", "2", "4"])
    axis.set_yticks([], minor=True)
    axis.set_ylabel("ratio of times, medians of a run")
    axis.set_title("Our layers against Keras's, and against a copy of the tensor")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(picture, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
