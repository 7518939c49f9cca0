"""Lists the ratios of time that this project aims at, each with what it is measured against."""

from __future__ import annotations

from typing import Any, NamedTuple

MAP = [32, 28, 28, 128]
ANY = "keras Dropout"
MEMORY = 0.5  # of what Keras's layer keeps for the backward pass


class Goal(NamedTuple):
    """One ratio: ours over theirs, in one place; `at_most` None is for information."""

    backend: str
    mode: str
    shape: list[int]
    ours: str
    theirs: str
    at_most: float | None


GOALS = [
    Goal("tensorflow", "graph", MAP, "ScheduledDropout", ANY, 0.58),
    Goal("tensorflow", "graph", [32, 56, 56, 64], "ScheduledDropout", ANY, 0.58),
    Goal("tensorflow", "graph", [256, 2048], "ScheduledDropout", ANY, 0.75),
    Goal("tensorflow", "graph", [128, 512], "ScheduledDropout", ANY, 0.75),
    Goal("tensorflow", "graph", MAP, "DropBlock2D", ANY, 0.65),
    Goal("tensorflow", "graph", [32, 56, 56, 64], "DropBlock2D", ANY, 0.65),
    Goal("tensorflow", "graph", MAP, "DropBlock2D clip", "DropBlock2D", 1.15),
    Goal("tensorflow", "graph", MAP, "DropBlock2D shared", ANY, 0.5),
    Goal("tensorflow", "graph", MAP, "SpatialDropout", "copy", 1.2),
    Goal("tensorflow", "graph", MAP, "SpatialDropout", "keras SpatialDropout2D", None),
    Goal("tensorflow", "graph", MAP, "DropPath", "copy", 1.2),
    Goal("tensorflow", "graph", MAP, "DropPath", "keras_hub DropPath", None),
    Goal("tensorflow", "graph", [128, 512], "ConcreteDropout(Dense)", "keras Dropout, Dense", 1.5),
    Goal("tensorflow", "graph", [256, 2048], "ConcreteDropout(Dense)", "keras Dropout, Dense", 1.5),
    Goal("tensorflow", "jit", MAP, "ScheduledDropout", "copy", 1.6),
    Goal("tensorflow", "jit", MAP, "ScheduledDropout", ANY, 0.02),
    Goal("tensorflow", "jit", MAP, "DropBlock2D", "copy", 1.8),
    Goal("tensorflow", "jit", MAP, "DropBlock2D clip", "DropBlock2D", 1.15),
    Goal("jax", "jit", MAP, "ScheduledDropout", "copy", 1.8),
    Goal("jax", "jit", MAP, "ScheduledDropout", ANY, 1.0),
    Goal("jax", "jit", [256, 2048], "ScheduledDropout", ANY, 1.0),
    Goal("jax", "jit", MAP, "DropBlock2D", "copy", None),
    Goal("jax", "jit", MAP, "DropBlock2D", ANY, 2.0),
    Goal("torch", "eager", MAP, "ScheduledDropout", ANY, 0.4),
    Goal("torch", "eager", [256, 2048], "ScheduledDropout", ANY, 0.4),
    Goal("torch", "compile", MAP, "ScheduledDropout", "copy", 1.5),
    Goal("torch", "eager", MAP, "DropBlock2D", ANY, 2.0),
    Goal("torch", "eager", MAP, "DropBlock2D", "timm DropBlock2d", 0.5),
    Goal("torch", "eager", MAP, "DropBlock2D", "torchvision DropBlock2d", None),
    Goal("torch", "eager", MAP, "DropBlock2D shared", "timm DropBlock2d shared", 1.0),
]


def ratios(results: dict[str, Any]) -> list[tuple[Goal, float, float]]:
    """Return each goal with its ratio and our time in ms, where both sides were measured."""
    times = {
        (each["backend"], each["mode"], tuple(each["shape"]), each["contender"]): each["median_ms"]
        for each in results["layers"]
    }
    found = []
    for goal in GOALS:
        place = (goal.backend, goal.mode, tuple(goal.shape))
        ours, theirs = times.get((*place, goal.ours)), times.get((*place, goal.theirs))
        if ours is not None and theirs is not None:
            found.append((goal, ours / theirs, ours))
    return found
