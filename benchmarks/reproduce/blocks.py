"""Trains nets with blocks, single units or nothing dropped from feature maps of 14 x 14."""

from __future__ import annotations

from typing import Any

from image_nets import convolutional, measured, steps_of, trained
from real_digits import split

import keras_dropouts as kd

SIZES = {300: 60, 2000: 15}  # digits to learn from, and epochs
RATES = (0.1, 0.2)
BLOCK, FILTERS, LEARNING_RATE = 5, 12, 2e-3
KINDS = ("none", "units", "blocks", "blocks, ramp")
ARMS = [
    f"{kind} {rate} {size}" if rate else f"{kind} {size}"
    for size in SIZES
    for kind in KINDS
    for rate in (RATES if kind != "none" else (0.0,))
]


def _drop(kind: str, rate: float, steps: int) -> Any:
    if kind == "none":
        return None
    if kind == "units":
        return lambda: kd.ScheduledDropout(rate)
    if kind == "blocks":
        return lambda: kd.DropBlock2D(rate, BLOCK)
    ramp = kd.schedules.LinearRamp(0.0, rate, ramp_steps=steps)
    return lambda: kd.DropBlock2D(ramp, BLOCK)


def run(arm: str, seed: int) -> dict[str, float]:
    """Train one net and return its losses and accuracies."""
    name, _, size = arm.rpartition(" ")
    kind, _, rate = name.rpartition(" ") if name != "none" else ("none", "", "0")
    count = int(size)
    data = split(seed, count)
    drop = _drop(kind, float(rate), steps_of(count, SIZES[count]))
    model = trained(
        arm,
        lambda: convolutional(drop, FILTERS),
        data.train,
        SIZES[count],
        seed,
        LEARNING_RATE,
    )
    return measured(model, *data)
