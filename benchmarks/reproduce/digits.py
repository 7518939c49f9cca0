"""Trains DropBlock, schedules, early and late dropout on the digits, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from claims import HEAD, Claim, half_width, interval, verdict
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from training import train

import keras_dropouts as kd

SEEDS = 20
Drop = Callable[[], keras.layers.Layer] | None

COLUMNS = TRAINING_LOSS, TEST_LOSS, ACCURACY = ("training loss", "test loss", "test accuracy")


class Study(NamedTuple):
    """Nets that differ in their dropout, trained alike, and what papers say of them."""

    title: str
    train_size: int
    epochs: int
    nets: dict[str, Callable[[], keras.Model]]
    claims: list[Claim]


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


def run(make: Callable[[], keras.Model], study: Study, seed: int) -> list[float]:
    """Train one net and return its values in the order of `COLUMNS`."""
    keras.utils.set_random_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images.reshape(-1, 8, 8, 1) / 16.0,
        labels,
        train_size=study.train_size,
        stratify=labels,
        random_state=seed,
    )
    model = make()
    train(model, "sparse_categorical_crossentropy", (x, y), study.epochs, 50, seed)
    (loss, _), (test_loss, accuracy) = (scores(model, *part) for part in ((x, y), (x_test, y_test)))
    return [loss, test_loss, accuracy]


def scores(model: keras.Model, x: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean cross-entropy in nats and the accuracy."""
    shares = keras.ops.convert_to_numpy(model(x))
    right = shares[np.arange(len(labels)), labels]
    return float(-np.log(right + 1e-7).mean()), float((shares.argmax(axis=1) == labels).mean())


def studies() -> list[Study]:
    """Return what is compared: the nets by the name of their dropout."""

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
    ghiasi, liu, morerio = "Ghiasi et al. (2018)", "Liu et al. (2023)", "Morerio et al. (2017)"
    return [
        Study(
            "DropBlock, a net that overfits (300 images)",
            300,
            60,
            {name: lambda drop=drop: convolutional(drop, 24) for name, drop in blocks.items()},
            [
                Claim(ghiasi, "blocks 0.2", "units 0.2", ACCURACY),
                Claim(ghiasi, "blocks, ramp to 0.2", "blocks 0.2", ACCURACY),
            ],
        ),
        Study(
            "Early dropout, a net that underfits (1,200 images, 8 units)",
            1200,
            40,
            {name: lambda drop=drop: dense(drop, 8) for name, drop in early.items()},
            [
                Claim(liu, "early, 0.1 falling", "none", TRAINING_LOSS),
                Claim(liu, "early, 0.1 falling", "dropout 0.1", TRAINING_LOSS),
            ],
        ),
        Study(
            "Late dropout and curriculum, a net that overfits (300 images, 256 units)",
            300,
            60,
            {name: lambda drop=drop: dense(drop, 256) for name, drop in late.items()},
            [
                Claim(liu, "late, 0.4", "dropout 0.4", ACCURACY),
                Claim(morerio, "curriculum to 0.4", "dropout 0.4", ACCURACY),
            ],
        ),
    ]


def section(images: Any) -> str:
    """Run all studies, draw them and return the section of the report."""
    import matplotlib.pyplot as plt

    found = studies()
    lines = [
        "## Blocks, schedules, early and late dropout: digits",
        "",
        f"Means over {SEEDS} seeds (each with its own split) with 95 % confidence intervals. "
        "Differences are paired by seed.",
        "",
    ]
    claims = [*HEAD]
    figure, axes = plt.subplots(1, len(found), figsize=(13, 3.8))
    for axis, study in zip(axes, found, strict=True):
        runs = {
            name: np.array([run(make, study, seed) for seed in range(SEEDS)])
            for name, make in study.nets.items()
        }
        lines += [
            f"### {study.title}",
            "",
            f"| dropout | {' | '.join(COLUMNS)} |",
            "|---|---|---|---|",
        ]
        for name, each in runs.items():
            cells = (interval(each[:, column]) for column in range(len(COLUMNS)))
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
        for claim in study.claims:
            column = COLUMNS.index(claim.column)
            both = (runs[name][:, column] for name in (claim.better, claim.worse))
            claims.append(verdict(claim, *both))
        accuracies = [each[:, COLUMNS.index(ACCURACY)] for each in runs.values()]
        means, errors = zip(*((each.mean(), half_width(each)) for each in accuracies), strict=True)
        axis.errorbar(range(len(runs)), means, errors, fmt="o", capsize=4)
        axis.set_xticks(range(len(runs)), [name.replace(", ", ",\n") for name in runs], fontsize=8)
        axis.set(title=study.title.split(",")[0], ylabel=ACCURACY)
    figure.tight_layout()
    figure.savefig(images / "digits.png", dpi=120)
    plt.close(figure)
    shown = [
        "![test accuracies](images/digits.png)",
        "",
        "### What of the papers shows",
        "",
        *claims,
    ]
    return "\n".join([*lines, *shown, ""])
