"""Trains the model of the demo in the browser, and writes what the page needs beside this file.

`make demo-model` runs it, on the 10,000 digits of `make digits`: digits.keras, digits.onnx with 64
samples of Monte-Carlo dropout, and decisions.json with a temperature and a threshold for each
number of samples that the page offers. The page checks the sums of the last two.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import keras
import numpy as np

import keras_dropouts as kd
import keras_dropouts_export as kde

HERE = Path(__file__).parent
DIGITS = HERE.parents[1] / ".data" / "digits.npz"
SAMPLES = (4, 8, 16, 32, 64)
RISK, CONFIDENCE, SEED = 0.02, 0.9, 7
LEVELS = 15  # the page draws with so many shades of grey, to put a drawing into a link


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return images (10000, 28, 28, 1) of the page's shades, and labels."""
    digits = np.load(DIGITS)
    shades = np.round(digits["images"] / 255.0 * LEVELS) / LEVELS
    return shades[..., None].astype("float32"), digits["labels"].astype("int64")


def build() -> keras.Model:
    """Return a small convolutional net with dropout before both dense layers."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1), name="image"),
            layers.RandomTranslation(0.06, 0.06, fill_mode="constant"),
            layers.RandomRotation(0.02, fill_mode="constant"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Flatten(),
            kd.ScheduledDropout(0.15, name="drop_features"),
            layers.Dense(24, activation="relu"),
            kd.ScheduledDropout(0.15, name="drop_hidden"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def decisions(model: keras.Model, held_out: tuple, test: tuple) -> dict[str, dict[str, float]]:
    """Return by the number of samples a temperature, a threshold, and what both come to."""
    found = {}
    for samples in SAMPLES:
        x, y = held_out
        p = kd.mc_predict(model, x, samples=samples, seed=SEED, verbose=False)
        temperature = kd.uncertainty.calibrate(p, y=y).temperature
        threshold = kd.uncertainty.evaluate(p, y).threshold(risk=RISK, confidence=CONFIDENCE)
        new = kd.mc_predict(model, test[0], samples=samples, seed=SEED, verbose=False)
        accepted = threshold.accepts(new)
        wrong = new.mean.argmax(axis=-1) != test[1]
        found[str(samples)] = {
            "temperature": round(temperature, 4),
            "threshold": round(float(threshold), 6),
            "accepted": round(float(accepted.mean()), 4),
            "wrong": round(float(wrong[accepted].mean()), 4),
        }
        print(samples, found[str(samples)], f"accuracy {1 - wrong.mean():.4f}")
    return found


def main() -> None:
    """Train, decide, export, and pin the files in the page."""
    keras.utils.set_random_seed(SEED)
    x, y = data()
    order = np.random.default_rng(SEED).permutation(len(x))
    train, held_out, test = np.split(order, [6000, 8500])
    model = build()
    model.fit(x[train], y[train], epochs=60, batch_size=64, verbose=2)
    plain = keras.Sequential([model.inputs[0], *model.layers[2:]], name="digits")
    plain.save(HERE / "digits.keras")
    made = decisions(plain, (x[held_out], y[held_out]), (x[test], y[test]))
    text = {"risk": RISK, "confidence": CONFIDENCE, "samples": made}
    (HERE / "decisions.json").write_text(json.dumps(text, indent=1) + "\n")
    report = kde.export_onnx(
        plain, HERE / "digits.onnx", samples=max(SAMPLES), reduce=None, overwrite=True
    )
    print(report)
    pin()


def pin() -> None:
    """Write the sums of the files into pinned.mjs, those of onnxruntime-web left as they are."""
    path = HERE / "pinned.mjs"
    text = path.read_text()
    for name in ("digits.onnx", "decisions.json"):
        found = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
        text = re.sub(rf'("{re.escape(name)}":\s*)"[0-9a-f]*"', rf'\1"{found}"', text)
    path.write_text(text)


if __name__ == "__main__":
    main()
