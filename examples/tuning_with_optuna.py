"""Lets Optuna choose the rates of two dropouts on digits, and prune trials that fall behind.

Run it with `python examples/tuning_with_optuna.py [TRIALS] [EPOCHS]`; it needs optuna and
scikit-learn.
"""

import sys

import keras
import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dropouts as kd

TRAINING_IMAGES = 300  # few, so that the net overfits


def load_data() -> list[np.ndarray]:
    """Return images of 8 x 8 pixels and labels: to train with, to choose by, and to report."""
    digits = load_digits()
    images = (digits.images[..., None] / 16.0).astype("float32")
    x, x_rest, y, y_rest = train_test_split(
        images, digits.target, train_size=TRAINING_IMAGES, stratify=digits.target, random_state=0
    )
    halves = train_test_split(x_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
    x_valid, x_test, y_valid, y_test = halves
    return [x, y, x_valid, y_valid, x_test, y_test]


def build_model(block_rate: float, unit_rate: float) -> keras.Model:
    """Return a small CNN with dropped blocks and dropped units."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            kd.DropBlock2D(block_rate, block_size=3, name="blocks"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            kd.ScheduledDropout(unit_rate, name="units"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Pruning(keras.callbacks.Callback):
    """Tells Optuna the loss on held-out data after each epoch, and ends trials that fall behind."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.trial.report((logs or {})["val_loss"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def search(data: list[np.ndarray], trials: int, epochs: int) -> optuna.Study:
    """Return the study of so many trials; the first one is without dropout."""
    x, y, x_valid, y_valid, *_ = data

    def objective(trial: optuna.Trial) -> float:
        keras.utils.set_random_seed(0)  # trials differ by nothing but their rates
        model = build_model(
            trial.suggest_float("block_rate", 0.0, 0.4), trial.suggest_float("unit_rate", 0.0, 0.7)
        )
        history = model.fit(
            x,
            y,
            batch_size=32,
            epochs=epochs,
            validation_data=(x_valid, y_valid),
            callbacks=[Pruning(trial)],
            verbose=0,
        )
        return history.history["val_loss"][-1]

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=epochs // 3),
    )
    study.enqueue_trial({"block_rate": 0.0, "unit_rate": 0.0})
    study.optimize(objective, n_trials=trials)
    return study


def main(trials: int = 20, epochs: int = 30) -> optuna.Study:
    """Search, train once more at the best rates, and report on images that chose nothing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data()
    study = search(data, trials, epochs)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    print(f"{len(study.trials)} trials, {pruned} of them pruned")
    print(f"best: {study.best_params}, validation loss {study.best_value:.4f}")
    x, y, _, _, x_test, y_test = data
    for name, rates in (("none", (0.0, 0.0)), ("best", tuple(study.best_params.values()))):
        keras.utils.set_random_seed(0)
        model = build_model(*rates)
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
        found = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
        print(f"{name}: test loss {found['loss']:.4f}, test accuracy {found['accuracy']:.4f}")
    return study


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
