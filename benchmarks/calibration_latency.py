"""Measures what a calibration in an ONNX file adds to the time that onnxruntime takes.

Two files of each model, with and without `calibration=`, answer in turns; what is printed is the
median time of a call of each and the median ratio of the pairs, with its interval over the rounds.

    python benchmarks/calibration_latency.py
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnxruntime
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde

SAMPLES = 16


def image_model() -> keras.Model:
    """Return a small convolutional network for 28 x 28 digits."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="x"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )


def dense_model() -> keras.Model:
    """Return a network so small that whatever is added to it shows."""
    return keras.Sequential(
        [
            keras.Input((64,), name="x"),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session on one thread, so that the two do not wait for each other's threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compared(plain: Path, other: Path, feeds: dict[str, np.ndarray], rounds: int) -> str:
    """Return the median times of two files that answer in turns, and their ratio."""
    sessions = [session(plain), session(other)]
    for each in sessions:
        for _ in range(20):
            each.run(None, feeds)
    times = np.empty((rounds, 2))
    for i in range(rounds):
        for j in (0, 1) if i % 2 else (1, 0):
            start = time.perf_counter()
            sessions[j].run(None, feeds)
            times[i, j] = time.perf_counter() - start
    ratios = times[:, 1] / times[:, 0]
    random = np.random.default_rng(0)
    drawn = [np.median(random.choice(ratios, len(ratios))) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    without, with_it = np.median(times, axis=0) * 1e6
    return f"{without:8.0f} {with_it:8.0f}   {np.median(ratios):.3f} ({low:.3f} to {high:.3f})"


def decisions(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, list[object]]:
    """Return what is put into the files, by what it is called."""
    uncertainty = kd.uncertainty
    scale = uncertainty.calibrate(model, x, y)
    report = uncertainty.evaluate(model.predict(x, verbose=0), y)
    accept = uncertainty.Threshold(report.to_dict()["confidence"])
    return {
        "temperature": [scale],
        "lac": [uncertainty.conformal(model, x, y)],
        "aps": [uncertainty.conformal(model, x, y, method="aps")],
        "temperature, lac, accept": [scale, uncertainty.conformal(model, x, y), accept],
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    print(f"{'model, samples, rows, calibration':<58}  without     with   ratio (95 % interval)")
    with TemporaryDirectory() as folder:
        for name, model in (("dense", dense_model()), ("image", image_model())):
            x = random.normal(size=(300, *model.input_shape[1:])).astype("float32")
            y = model.predict(x, verbose=0).argmax(axis=1)
            y = np.where(random.random(300) < 0.8, y, random.integers(0, 10, 300))
            for samples in (None, SAMPLES):
                plain = Path(folder) / "plain.onnx"
                kde.export_onnx(model, plain, samples=samples, overwrite=True)
                for what, each in decisions(model, x, y).items():
                    other = Path(folder) / "other.onnx"
                    kde.export_onnx(model, other, samples=samples, calibration=each, overwrite=True)
                    for rows in (1, 32):
                        feeds = {"x": x[:rows]}
                        if samples:
                            feeds["seed"] = kd.row_seeds(0, rows)
                        head = f"{name}, {samples or 'none'}, {rows}, {what}"
                        print(f"{head:<58} {compared(plain, other, feeds, rounds)}", flush=True)


if __name__ == "__main__":
    main()
