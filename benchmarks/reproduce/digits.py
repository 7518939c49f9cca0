"""DropBlock, schedules, early and late dropout on the digits, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dropouts as kd

SEEDS = 8
Drop = Callable[[], keras.layers.Layer] | None


def convolutional(drop: Drop, filters: int) -> keras.Model:
    """Return a small convolutional net with `drop` after each feature map."""
    parts = [keras.Input((8, 8, 1))]
    for count in (filters, 2 * filters):
        parts += [layers.Conv2D(count, 3, padding="same", activation="relu")]
        parts += [drop()] if drop else []
    parts += [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, activation="softmax")]
    return keras.Sequential(parts)


def dense(drop: Drop, units: int) -> keras.Model:
    """Return a feed-forward net with `drop` after each hidden layer."""
    parts = [keras.Input((8, 8, 1)), layers.Flatten()]
    for _ in range(2):
        parts += [layers.Dense(units, activation="relu")]
        parts += [drop()] if drop else []
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])


def run(make: Callable[[], keras.Model], train_size: int, epochs: int, seed: int) -> list[float]:
    """Return the final training loss, the test loss and the test accuracy."""
    keras.utils.set_random_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images.reshape(-1, 8, 8, 1) / 16.0,
        labels,
        train_size=train_size,
        stratify=labels,
        random_state=seed,
    )
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=50, verbose=0)
    train = model.evaluate(x, y, verbose=0)
    return [train[0], *model.evaluate(x_test, y_test, verbose=0)]


def studies() -> dict[str, tuple[str, int, int, dict[str, Callable[[], keras.Model]]]]:
    """Return title -> (what the paper expects, training images, epochs, the nets to compare)."""

    def ramp(rate: float, steps: int) -> Any:
        return kd.schedules.LinearRamp(0.0, rate, ramp_steps=steps)

    blocks = {
        "none": None,
        "units 0.2": lambda: kd.ScheduledDropout(0.2),
        "blocks 0.2": lambda: kd.DropBlock2D(0.2, 3),
        "blocks, ramp to 0.2": lambda: kd.DropBlock2D(ramp(0.2, 240), 3),
    }
    early = {
        "none": None,
        "dropout 0.1": lambda: kd.ScheduledDropout(0.1),
        "early, 0.1 falling": lambda: kd.ScheduledDropout(
            kd.schedules.EarlyDropout(0.1, steps=120, decay="linear")
        ),
    }
    late = {
        "none": None,
        "dropout 0.4": lambda: kd.ScheduledDropout(0.4),
        "late, 0.4": lambda: kd.ScheduledDropout(kd.schedules.LateDropout(0.4, begin_step=120)),
        "curriculum to 0.4": lambda: kd.ScheduledDropout(
            kd.schedules.CurriculumRamp(0.0, 0.4, ramp_steps=360)
        ),
    }
    return {
        "DropBlock, a net that overfits (300 images)": (
            "Ghiasi et al. (2018): blocks beat units, and a ramp beats a constant rate.",
            300,
            60,
            {name: lambda drop=drop: convolutional(drop, 24) for name, drop in blocks.items()},
        ),
        "Early dropout, a net that underfits (1,200 images, 16 units)": (
            "Liu et al. (2023): early dropout ends at a lower training loss than none.",
            1200,
            12,
            {name: lambda drop=drop: dense(drop, 16) for name, drop in early.items()},
        ),
        "Late dropout and curriculum, a net that overfits (300 images, 256 units)": (
            "Liu et al. (2023), Morerio et al. (2017): better than a constant rate.",
            300,
            60,
            {name: lambda drop=drop: dense(drop, 256) for name, drop in late.items()},
        ),
    }


def section(images: Any) -> str:
    """Run all studies, draw them and return the section of the report."""
    import matplotlib.pyplot as plt

    found = studies()
    lines = [
        "## Blocks, schedules, early and late dropout: digits",
        "",
        f"Means over {SEEDS} seeds (each with its own split) with 95 % confidence intervals. The "
        "difference to no dropout is paired by seed.",
        "",
    ]
    figure, axes = plt.subplots(1, len(found), figsize=(13, 3.8))
    for axis, (title, (claim, size, epochs, nets)) in zip(axes, found.items(), strict=True):
        runs = {
            name: np.array([run(make, size, epochs, seed) for seed in range(SEEDS)])
            for name, make in nets.items()
        }
        lines += [f"### {title}", "", claim, ""]
        lines += ["| dropout | training loss | test loss | test accuracy | accuracy minus none |"]
        lines += ["|---|---|---|---|---|"]
        for name, each in runs.items():
            gain = _interval((each - runs["none"])[:, 2]) if name != "none" else "-"
            cells = " | ".join(_interval(each[:, column]) for column in range(3))
            lines.append(f"| {name} | {cells} | {gain} |")
        lines.append("")
        means = [each[:, 2].mean() for each in runs.values()]
        errors = [_half_width(each[:, 2]) for each in runs.values()]
        axis.errorbar(range(len(runs)), means, errors, fmt="o", capsize=4)
        axis.set_xticks(range(len(runs)), [name.replace(", ", ",\n") for name in runs], fontsize=8)
        axis.set(title=title.split(",")[0], ylabel="test accuracy")
    figure.tight_layout()
    figure.savefig(images / "digits.png", dpi=120)
    return "\n".join([*lines, "![test accuracies](images/digits.png)", ""])


def _half_width(values: np.ndarray) -> float:
    spread = values.std(ddof=1) / np.sqrt(len(values))
    return float(stats.t.ppf(0.975, len(values) - 1) * spread)


def _interval(values: np.ndarray) -> str:
    return f"{values.mean():.4f} +- {_half_width(values):.4f}"
