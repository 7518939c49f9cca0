"""Trains nets that underfit with early dropout, and nets that overfit with late dropout."""

from __future__ import annotations

from typing import Any, NamedTuple

from image_nets import dense, measured, steps_of, trained
from real_digits import split

import keras_dropouts as kd


class Regime(NamedTuple):
    """A net, the digits that it learns from, and the dropout that is tried."""

    units: int
    size: int
    epochs: int
    rate: float
    kinds: tuple[str, ...]


REGIMES = {
    "underfits": Regime(12, 6000, 15, 0.1, ("none", "constant", "early")),
    "overfits": Regime(256, 500, 60, 0.4, ("none", "constant", "late", "curriculum")),
}
ARMS = [f"{name} {kind}" for name, regime in REGIMES.items() for kind in regime.kinds]


def _rate(kind: str, rate: float, steps: int) -> Any:
    """Return the rate or its schedule: early and late dropout change after a third or a half."""
    schedules = kd.schedules
    return {
        "constant": lambda: rate,
        "early": lambda: schedules.EarlyDropout(rate, steps=steps // 3, decay="linear"),
        "late": lambda: schedules.LateDropout(rate, begin_step=steps // 2),
        "curriculum": lambda: schedules.CurriculumRamp(0.0, rate, ramp_steps=steps),
    }[kind]()


def run(arm: str, seed: int) -> dict[str, float]:
    """Train one net and return its losses and accuracies."""
    name, _, kind = arm.partition(" ")
    regime = REGIMES[name]
    data = split(seed, regime.size)
    drop = None
    if kind != "none":
        rate = _rate(kind, regime.rate, steps_of(regime.size, regime.epochs))
        drop = lambda: kd.ScheduledDropout(rate)  # noqa: E731 - a net asks for one after each layer
    model = trained(arm, lambda: dense(drop, regime.units), data.train, regime.epochs, seed)
    return measured(model, *data)
