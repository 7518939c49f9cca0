"""Concrete dropout on the authors' synthetic regression: rates and uncertainties by size."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

import keras_dropouts as kd

SIZES = (10, 100, 1000, 10_000)
STEPS, BATCH, SAMPLES = 4000, 20, 100
HIDDEN = 512  # the authors have 1024


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


def run(count: int, seed: int = 0) -> dict[str, Any]:
    """Train on `count` points and return the learned rates and uncertainties."""
    keras.utils.set_random_seed(seed)
    x, y = data(count, seed)
    rows = np.random.default_rng(seed).integers(0, count, STEPS * BATCH)
    model = network(count)
    model.compile(keras.optimizers.Adam(1e-3), loss, steps_per_execution=100, jit_compile=False)
    model.fit(x[rows], y[rows], batch_size=BATCH, verbose=0)
    x_test, y_test = data(1000, seed + 1000)
    predict = [ops.convert_to_numpy(model(x_test, training=True)) for _ in range(SAMPLES)]
    means, log_variances = np.stack(predict)[..., 0], np.stack(predict)[..., 1]
    return {
        "N": count,
        "rates": [model.get_layer(f"hidden_{number}").rate for number in range(3)],
        "epistemic": float(means.std(axis=0).mean()),
        "aleatoric": float(np.exp(0.5 * log_variances).mean()),
        "rmse": float(np.sqrt(np.mean(np.square(means.mean(axis=0) - y_test[:, 0])))),
    }


def section(images: Any) -> str:
    """Run all sizes, draw them and return the section of the report."""
    import matplotlib.pyplot as plt

    found = [run(count) for count in SIZES]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
    for number, name in enumerate(("first layer", "second", "third")):
        left.plot(SIZES, [each["rates"][number] for each in found], "o-", label=name)
    left.set(xscale="log", xlabel="training points", ylabel="learned rate", ylim=(0, None))
    left.legend()
    for name in ("epistemic", "aleatoric"):
        right.plot(SIZES, [each[name] for each in found], "o-", label=name)
    right.axhline(1.0, color="grey", linestyle=":", label="true noise")
    right.set(xscale="log", xlabel="training points", ylabel="standard deviation", ylim=(0, None))
    right.legend()
    figure.tight_layout()
    figure.savefig(images / "concrete.png", dpi=120)
    lines = [
        "## Concrete dropout: synthetic regression",
        "",
        f"Gal, Hron and Kendall (2017): y = 2x + 8 + noise of 1; three hidden layers of {HIDDEN}, "
        f"{STEPS} steps of {BATCH} points, {SAMPLES} samples, one seed.",
        "",
        "| N | rates of the hidden layers | epistemic | aleatoric (true: 1) | RMSE |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        rates = ", ".join(f"{rate:.3f}" for rate in each["rates"])
        lines.append(
            f"| {each['N']} | {rates} | {each['epistemic']:.2f} | {each['aleatoric']:.2f} "
            f"| {each['rmse']:.2f} |"
        )
    first, last = found[0], found[-1]
    lines += [
        "",
        f"From {first['N']} to {last['N']} points the third layer's rate goes from "
        f"{first['rates'][2]:.2f} to {last['rates'][2]:.2f} and the epistemic deviation from "
        f"{first['epistemic']:.2f} to {last['epistemic']:.2f}.",
        "",
        "![rates and uncertainties](images/concrete.png)",
        "",
    ]
    return "\n".join(lines)
