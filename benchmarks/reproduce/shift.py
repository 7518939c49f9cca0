"""Compares Monte-Carlo dropout with a calibrated plain net and an ensemble on digits that shift.

Nets learn the digits 0 to 7. They are asked for digits as those, for digits that are turned or
noisy, and for 8 and 9, which are foreign. Each way to predict is calibrated by a temperature on
clean digits held out, since shifted ones are not at hand when a model is made.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from image_nets import predicted, trained
from keras import layers
from real_digits import Part, Split, split
from scipy.ndimage import rotate

import keras_dropouts as kd

KNOWN = 8
SIZES = {400: 40, 4000: 8}  # known digits to learn from, and epochs
MEMBERS, SAMPLES = 5, 32
LONG = f", {MEMBERS} times the steps"
KINDS = ("ensemble", f"plain{LONG}", "dropout", f"dropout{LONG}")
ARMS = [f"{kind} {size}" for size in SIZES for kind in KINDS]
ANGLES, NOISES = (15, 30, 45), (0.2, 0.4, 0.6)
SHIFTS = [*(f"turned {each}" for each in ANGLES), *(f"noise {each}" for each in NOISES)]
TESTED, LEARNING_RATE = 800, 2e-3

Predictions = dict[str, np.ndarray]  # probabilities (N, C) or samples (T, N, C), by name


def network(drop: bool) -> keras.Model:
    """Return a small convolutional net; with `drop`, units are dropped wherever it has learned."""

    def dropped(rate: float) -> list[Any]:
        return [kd.ScheduledDropout(rate)] if drop else []

    parts = [
        keras.Input((28, 28, 1)),
        layers.Conv2D(8, 5, strides=2, padding="same", activation="relu"),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        *dropped(0.1),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        *dropped(0.2),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        *dropped(0.5),
    ]
    return keras.Sequential([*parts, layers.Dense(KNOWN, activation="softmax")])


def known(part: Part, count: int | None = None) -> Part:
    """Return the digits that are learned, the first `count` of them."""
    rows = np.flatnonzero(part.y < KNOWN)[:count]
    return Part(part.x[rows], part.y[rows])


def shifted(data: Split, seed: int) -> dict[str, Part]:
    """Return what is predicted: clean, turned to either side, noisy, and foreign digits."""
    clean = known(data.test, TESTED)
    found = {"clean": clean}
    random = np.random.default_rng(seed)
    signs = random.choice([-1, 1], len(clean.y))
    for name, angle in zip(SHIFTS, ANGLES, strict=False):
        turned = [
            rotate(x, sign * angle, reshape=False, order=1)
            for x, sign in zip(clean.x, signs, strict=True)
        ]
        found[name] = Part(np.stack(turned), clean.y)
    for name, deviation in zip(SHIFTS[len(ANGLES) :], NOISES, strict=True):
        noisy = clean.x + random.normal(0.0, deviation, clean.x.shape)
        found[name] = Part(np.clip(noisy, 0.0, 1.0).astype("float32"), clean.y)
    rows = np.flatnonzero(data.test.y >= KNOWN)
    return found | {"foreign": Part(data.test.x[rows], data.test.y[rows])}


def run(arm: str, seed: int) -> dict[str, Any]:
    """Train what an arm needs; return the figures of each way to predict, by shift."""
    kind, _, count = arm.rpartition(" ")
    size = int(count)
    epochs = SIZES[size]
    # More digits than are learned from, since those of 8 and 9 are left out.
    data = split(seed, size * 3 // 2)
    train, held_out = known(data.train, size), known(data.validation)
    longer, drops = kind.endswith(LONG), kind.startswith("dropout")
    copies = MEMBERS if kind == "ensemble" else 1
    steps = MEMBERS * epochs if longer else epochs
    weights = []
    for i in range(copies):
        make = lambda: network(drops)  # noqa: E731
        net = trained(arm, make, train, steps, 1000 * seed + i, LEARNING_RATE)
        weights.append(net.get_weights())

    def predict(x: np.ndarray) -> Predictions:
        if kind == "ensemble":
            members = np.stack([_with(net, each, x) for each in weights])
            return {"plain": members[0], f"ensemble of {MEMBERS}": members}
        if not drops:
            return {kind: predicted(net, x)}
        sampled = kd.mc_predict(net, x, SAMPLES, seed, batch_size=250, verbose=False).samples
        end = LONG if longer else ""
        counts = (MEMBERS, SAMPLES) if longer else (SAMPLES,)
        return {  # the first samples of many are those of few
            f"one pass{end}": predicted(net, x),
            **{f"{count} samples{end}": sampled[:count] for count in counts},
        }

    # All that is asked goes in at once, since each call of `mc_predict` traces the net.
    parts = {"held out": held_out, **shifted(data, seed)}
    cuts = np.cumsum([len(part.y) for part in parts.values()])[:-1]
    found = {}
    for name, whole in predict(np.concatenate([part.x for part in parts.values()])).items():
        pieces = np.split(whole, cuts, axis=whole.ndim - 2)
        found[name] = _figures(dict(zip(parts, pieces, strict=True)), parts)
    return found


def _with(net: keras.Model, weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    net.set_weights(weights)
    return predicted(net, x)


def _figures(predictions: Predictions, parts: dict[str, Part]) -> dict[str, dict[str, float]]:
    """Return the figures of one way to predict, as it is and with the temperature of clean data."""
    held, labels = _mean(predictions.pop("held out")), parts["held out"].y
    calibration = kd.uncertainty.calibrate(held, y=labels, method="temperature")
    found: dict[str, dict[str, float]] = {}
    uncertain: dict[str, dict[str, np.ndarray]] = {}
    for name, samples in predictions.items():
        mean = _mean(samples)
        calibrated = np.asarray(calibration(mean))
        uncertain[name] = {"entropy": _entropy(calibrated)}
        if samples.ndim == 3:
            spread = kd.MonteCarloPrediction(samples, seed=None)
            uncertain[name]["information"] = spread.mutual_information
        if name != "foreign":
            raw = {f"raw {key}": value for key, value in _scored(mean, parts[name].y).items()}
            found[name] = raw | _scored(calibrated, parts[name].y)
    for score, clean in uncertain["clean"].items():
        detected = kd.uncertainty.out_of_distribution(clean, uncertain["foreign"][score])
        found.setdefault("foreign", {})[f"auroc by {score}"] = detected["auroc"]
    return found


def _mean(samples: np.ndarray) -> np.ndarray:
    """Return the mean over samples, or the probabilities themselves; both are float32."""
    return samples.mean(axis=0, dtype="float64").astype("float32") if samples.ndim == 3 else samples


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    return -np.sum(probabilities * np.log(np.maximum(probabilities, 1e-12)), axis=-1)


def _scored(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    report = kd.uncertainty.evaluate(probabilities, labels).to_dict()
    return {name: float(report[name]) for name in ("accuracy", "nll", "ece", "aurc")}
