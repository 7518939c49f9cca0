"""Dropout together with L1 and L2 on the handwritten digits: test score, gap and sparsity.

A feed-forward net learns from 300 of the digits, few enough to overfit. Each row is one way of
regularizing, the mean of several seeds. `python examples/regularization.py`
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dropouts as kd

SEEDS = (0, 1, 2, 3, 4)
PENALTIES = {
    "none": None,
    "L1": keras.regularizers.L1(3e-4),
    "L2": keras.regularizers.L2(3e-3),
    "L1 and L2": keras.regularizers.L1L2(2e-4, 1e-3),
}


def network(penalty: keras.regularizers.Regularizer | None, rate: float) -> keras.Model:
    """Return a feed-forward net with a penalty on its weights and dropout of its units."""
    return keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            kd.ScheduledDropout(rate),
            keras.layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            kd.ScheduledDropout(rate),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def measure(
    penalty: keras.regularizers.Regularizer | None, rate: float, seed: int
) -> tuple[float, float, float]:
    """Return training accuracy, test accuracy and the share of weights below 0.001."""
    keras.utils.set_random_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images / 16.0, labels, train_size=300, stratify=labels, random_state=seed
    )
    model = network(penalty, rate)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=100, batch_size=60, verbose=0)
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    weights = np.concatenate([np.ravel(keras.ops.convert_to_numpy(each)) for each in kernels])
    train = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
    test = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    return train, test, float(np.mean(np.abs(weights) < 1e-3))


def main() -> None:
    """Print one row for each penalty, with and without dropout."""
    print(
        f"{'penalty':10} {'dropout':>7} {'train':>7} {'test':>7} {'+-':>6} {'gap':>7} {'zeros':>7}"
    )
    for name, penalty in PENALTIES.items():
        for rate in (0.0, 0.4):
            runs = np.array([measure(penalty, rate, seed) for seed in SEEDS])
            train, test, zeros = runs.mean(axis=0)
            error = runs[:, 1].std(ddof=1) / np.sqrt(len(SEEDS))
            print(
                f"{name:10} {rate:7.1f} {train:7.3f} {test:7.3f} {error:6.3f} "
                f"{train - test:7.3f} {zeros:7.2%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
