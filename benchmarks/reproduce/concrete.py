"""Trains concrete dropout on the authors' synthetic regression: rates and uncertainties by size."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from training import train

import keras_dropouts as kd

EPOCHS = {10: 2000, 100: 200, 1000: 20, 10_000: 2}  # by the number of points, as the authors have
BATCH, HIDDEN, SAMPLES, SEEDS = 20, 1024, 100, 3


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x from N(0, 1) and y = 2 x + 8 + noise of standard deviation 1."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 1))
    return x, 2.0 * x + 8.0 + generator.normal(size=(count, 1))


def network(count: int) -> keras.Model:
    """Return three hidden layers and a head for the mean and one for the log variance."""
    weight, entropy = kd.concrete_regularizers(count, length_scale=1e-4, loss="mse")

    def concrete(units: int, activation: str | None, name: str) -> Any:
        dense = keras.layers.Dense(units, activation=activation)
        return kd.ConcreteDropout(dense, 0.1, weight, entropy, name=name)

    inputs = x = keras.Input((1,))
    for number in range(3):
        x = concrete(HIDDEN, "relu", f"hidden_{number}")(x)
    heads = [concrete(1, None, name)(x) for name in ("mean", "log_variance")]
    return keras.Model(inputs, keras.layers.Concatenate()(heads))


def loss(y: Any, outputs: Any) -> Any:
    """Return twice the negative log likelihood of a normal distribution, up to a constant."""
    mean, log_variance = outputs[:, :1], outputs[:, 1:]
    return ops.sum(ops.exp(-log_variance) * ops.square(y - mean) + log_variance, axis=-1)


def run(count: int, seed: int) -> dict[str, float]:
    """Train on `count` points and return the learned rates and uncertainties."""
    keras.utils.set_random_seed(seed)
    x, y = data(count, seed)
    model = network(count)
    train(model, loss, (x, y), EPOCHS[count], BATCH, seed)
    x_test, y_test = data(1000, seed + 1000)
    predict = kd.mc_predict(model, x_test, SAMPLES, seed, batch_size=1000, verbose=False).samples
    means, log_variances = predict[..., 0], predict[..., 1]
    return {
        **{f"rate {number + 1}": model.get_layer(f"hidden_{number}").rate for number in range(3)},
        "epistemic": float(np.sqrt(means.var(axis=0).mean())),
        # As the authors have it: the log variance is averaged over the samples first.
        "aleatoric": float(np.sqrt(np.exp(log_variances.mean(axis=0)).mean())),
        "rmse": float(np.sqrt(np.mean(np.square(means.mean(axis=0) - y_test[:, 0])))),
    }


def section(images: Any) -> str:
    """Run all sizes, draw them and return the section of the report."""
    import matplotlib.pyplot as plt

    runs = {count: [run(count, seed) for seed in range(SEEDS)] for count in EPOCHS}
    sizes, names = list(runs), list(next(iter(runs.values()))[0])
    means = {n: {name: np.mean([each[name] for each in runs[n]]) for name in names} for n in runs}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
    for axis, shown in ((left, names[:3]), (right, names[3:5])):
        for name in shown:
            (line,) = axis.plot(sizes, [means[n][name] for n in sizes], "-", label=name)
            for n in sizes:
                axis.plot([n] * SEEDS, [each[name] for each in runs[n]], ".", c=line.get_color())
    right.axhline(1.0, color="grey", linestyle=":", label="true noise")
    left.set(xscale="log", xlabel="training points", ylabel="learned rate", ylim=(0, None))
    right.set(xscale="log", xlabel="training points", ylabel="standard deviation", ylim=(0, None))
    for axis in (left, right):
        axis.legend()
    figure.tight_layout()
    figure.savefig(images / "concrete.png", dpi=120)
    plt.close(figure)
    lines = [
        "## Concrete dropout: synthetic regression",
        "",
        f"Gal, Hron and Kendall (2017): y = 2x + 8 + noise of 1; three hidden layers of {HIDDEN}, "
        f"their epochs, batch {BATCH}, {SAMPLES} samples, length scale 1e-4; means of {SEEDS} "
        "seeds. Their own code gave, from 10 to 10,000 points: the hidden layers' rate .40 to .13, "
        "the first one's near .07 to .08, the epistemic deviation 1.09 to .54, RMSE 1.82 to 1.21.",
        "",
        f"| N | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for n, each in means.items():
        lines.append(f"| {n} | {' | '.join(f'{each[name]:.3f}' for name in names)} |")
    lines += ["", "![rates and uncertainties](images/concrete.png)", ""]
    lines += ["### What of the paper shows", "", *verdicts(runs), ""]
    return "\n".join(lines)


def verdicts(runs: dict[int, list[dict[str, float]]]) -> list[str]:
    """Return, for what the paper says, on how many of the seeds it shows."""
    small, large = runs[min(runs)], runs[max(runs)]
    falls = {"rate 2": "learned rate", "rate 3": "learned rate", "epistemic": "standard deviation"}
    lines = [
        f"- The {what} `{name}` falls from N = {min(runs)} to {max(runs)} on "
        f"{sum(b[name] < a[name] for a, b in zip(small, large, strict=True))} of {SEEDS} seeds."
        for name, what in falls.items()
    ]
    noise = ", ".join(f"{each['aleatoric']:.3f}" for each in large)
    return [
        *lines,
        f"- The aleatoric deviation at N = {max(runs)} is {noise}; the true noise is 1.",
    ]
