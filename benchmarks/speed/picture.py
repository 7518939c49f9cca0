"""Draws the results: cost as the work grows, and the layers on each backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

SERIES = {  # color, style: one color for each kind of layer, dashed where it is not ours
    "copy": ("0.5", ":"),
    "keras Dropout": ("tab:red", "--"),
    "ScheduledDropout": ("tab:red", "-"),
    "keras SpatialDropout2D": ("tab:green", "--"),
    "SpatialDropout": ("tab:green", "-"),
    "keras_hub DropPath": ("tab:purple", "--"),
    "DropPath": ("tab:purple", "-"),
    "DropBlock2D": ("tab:blue", "-"),
    "DropBlock2D clip": ("tab:blue", "-."),
    "DropBlock2D shared": ("tab:cyan", "-"),
    "timm DropBlock2d": ("tab:blue", "--"),
    "timm DropBlock2d shared": ("tab:cyan", "--"),
    "torchvision DropBlock2d": ("tab:orange", "--"),
    "timm DropPath": ("tab:purple", ":"),
}
MAP = [32, 28, 28, 128]


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the picture to `path`."""
    places = list(dict.fromkeys((each["backend"], each["mode"]) for each in results["layers"]))
    rows = -(-(1 + len(places)) // 3)
    figure, grid = plt.subplots(rows, 3, figsize=(16, 5.4 * rows), squeeze=False)
    axes = grid.reshape(-1)[: 1 + len(places)]
    for unused in grid.reshape(-1)[1 + len(places) :]:
        unused.remove()
    _growth(axes[0], results)
    for axis, place in zip(axes[1:], places, strict=True):
        _bars(axis, results, *place)
    figure.suptitle("Dropout layers, forward and backward pass (dashed or pale: not ours)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _growth(axis: Any, results: dict[str, Any]) -> None:
    first = results["layers"][0]
    here = [
        each
        for each in results["layers"]
        if (each["backend"], each["mode"]) == (first["backend"], first["mode"])
        and len(each["shape"]) == 4
    ]
    for name, (color, style) in SERIES.items():
        points = sorted(
            (np.prod(e["shape"]), e["median_ms"]) for e in here if e["contender"] == name
        )
        if points:
            axis.loglog(
                *zip(*points, strict=True), style, color=color, marker="o", ms=3, label=name
            )
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_title(f"{first['backend']}, {first['mode']}: cost as maps grow")
    axis.set_xlabel("elements")
    axis.set_ylabel("ms")
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=7, loc="lower right")


def _bars(axis: Any, results: dict[str, Any], backend: str, mode: str) -> None:
    times = {
        each["contender"]: each
        for each in results["layers"]
        if (each["backend"], each["mode"], each["shape"]) == (backend, mode, MAP)
    }
    names = [name for name in SERIES if name in times][::-1]
    for index, name in enumerate(names):
        summary = times[name]
        color, style = SERIES[name]
        ours = style in ("-", "-.")
        axis.barh(index, summary["median_ms"], color=color, alpha=1.0 if ours else 0.4)
        axis.plot([summary["low_ms"], summary["high_ms"]], [index, index], color="k", lw=1)
        axis.text(
            summary["high_ms"] * 1.08, index, f"{summary['median_ms']:.3g}", va="center", fontsize=7
        )
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_xscale("log")
    axis.xaxis.set_minor_formatter(NullFormatter())  # they overlap where the range is short
    axis.set_xlim(right=axis.get_xlim()[1] * 2)
    axis.set_xlabel("ms; the line is from quartile to quartile")
    axis.set_title(f"{backend}, {mode}: {'x'.join(map(str, MAP))}")
