"""Measures error and likelihood of Monte-Carlo dropout on real regression data, against none."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_diabetes, load_linnerud
from training import train

import keras_dropouts as kd

SPLITS, SAMPLES, EPOCHS = 10, 200, 200
RATE = 0.1
PRECISIONS = np.geomspace(0.1, 100, 40)


def datasets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return scikit-learn's real regression sets that need no download."""
    linnerud = load_linnerud()
    return {
        "diabetes (442 x 10)": load_diabetes(return_X_y=True),
        "linnerud, weight (20 x 3)": (linnerud.data, linnerud.target[:, 0]),
    }


def _sample(model: keras.Model, x: np.ndarray, rate: float, seed: int) -> np.ndarray:
    if not rate:
        return ops.convert_to_numpy(model(x))[None, :, 0]
    return kd.mc_predict(model, x, SAMPLES, seed, verbose=False).samples[..., 0]


def _log_likelihood(samples: np.ndarray, y: np.ndarray, precision: float) -> float:
    logs = -0.5 * precision * np.square(samples - y) + 0.5 * np.log(precision / (2 * np.pi))
    return float(np.mean(np.logaddexp.reduce(logs, axis=0) - np.log(len(samples))))


def run(x: np.ndarray, y: np.ndarray, rate: float, seed: int) -> tuple[float, float]:
    """Return test RMSE and negative log likelihood, in units of the target."""
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    cut = [int(0.75 * len(x)), int(0.9 * len(x))]
    fit, valid, test = np.split(order, cut)
    scale = y[fit].std()
    x = (x - x[fit].mean(axis=0)) / x[fit].std(axis=0)
    z = (y - y[fit].mean()) / scale
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            kd.ScheduledDropout(rate / 2),
            keras.layers.Dense(50, activation="relu"),
            kd.ScheduledDropout(rate),
            keras.layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.Adam(3e-3, weight_decay=1e-4)
    train(model, "mse", (x[fit], z[fit]), EPOCHS, 32, seed, optimizer)
    held_out = _sample(model, x[valid], rate, seed)
    scores = [_log_likelihood(held_out, z[valid], p) for p in PRECISIONS]
    precision = PRECISIONS[int(np.argmax(scores))]
    samples = _sample(model, x[test], rate, seed)
    rmse = np.sqrt(np.mean(np.square(samples.mean(axis=0) - z[test]))) * scale
    return float(rmse), float(-_log_likelihood(samples, z[test], precision) + np.log(scale))


def section(images: Any) -> str:
    """Run all sets and return the section of the report."""
    import matplotlib.pyplot as plt

    lines = [
        "## Monte-Carlo dropout: regression",
        "",
        f"Gal and Ghahramani (2016): one hidden layer of 50, {SPLITS} random splits, {SAMPLES} "
        f"samples, dropout {RATE} against none; the noise's precision is chosen on held-out "
        "points for both. Means and standard errors; the last column counts the splits on "
        "which Monte-Carlo dropout has the better likelihood.",
        "",
        "| data | RMSE without | RMSE with | NLL without | NLL with | better NLL |",
        "|---|---|---|---|---|---|",
    ]
    figure, axes = plt.subplots(1, len(datasets()), figsize=(10, 3.5))
    for axis, (name, (x, y)) in zip(axes, datasets().items(), strict=True):
        runs = np.array([[run(x, y, rate, seed) for rate in (0.0, RATE)] for seed in range(SPLITS)])
        cells = [
            f"{runs[:, kind, score].mean():.2f} +- "
            f"{runs[:, kind, score].std(ddof=1) / np.sqrt(SPLITS):.2f}"
            for score in (0, 1)
            for kind in (0, 1)
        ]
        wins = int(np.sum(runs[:, 1, 1] < runs[:, 0, 1]))
        lines.append(f"| {name} | {' | '.join(cells)} | {wins} of {SPLITS} |")
        axis.plot(runs[:, 0, 1], runs[:, 1, 1], "o")
        ends = [runs[:, :, 1].min(), runs[:, :, 1].max()]
        axis.plot(ends, ends, ":", color="grey")
        axis.set(title=name, xlabel="NLL without dropout", ylabel="NLL with Monte-Carlo dropout")
    figure.tight_layout()
    figure.savefig(images / "regression.png", dpi=120)
    return "\n".join([*lines, "", "![likelihoods by split](images/regression.png)", ""])
