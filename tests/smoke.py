"""Trains, strips, exports and serves a small model, and prints the versions that did it."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import onnxruntime

import keras_dropouts as kd
import keras_dropouts_export as kde


def main(folder: Path) -> None:
    """Take one model from training to a server, without dropout and with it."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 8, 8, 1)).astype("float32")
    y = (x.mean(axis=(1, 2, 3)) > 0).astype("int32")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Conv2D(4, 3, activation="relu"),
            kd.DropBlock2D(0.2, block_size=3),
            keras.layers.Flatten(),
            kd.ScheduledDropout(kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=4)),
            keras.layers.Dense(2, activation="softmax", name="class"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    losses = model.fit(x, y, batch_size=16, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()

    expected = model.predict(x, verbose=0)
    stripped = kde.strip_dropout(model)
    np.testing.assert_array_equal(stripped.predict(x, verbose=0), expected)

    kde.export_onnx(model, folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (served,) = session.run(None, {"image": x})
    np.testing.assert_allclose(served, expected, rtol=1e-5, atol=1e-6)

    kde.export_onnx(model, folder / "samples.onnx", samples=4)
    session = onnxruntime.InferenceSession(folder / "samples.onnx")
    answers = [
        session.run(None, {"image": x, "seed": np.full(len(x), seed)})[0] for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])
    names = ("keras", "tensorflow", "numpy", "onnx", "onnxruntime")
    print(json.dumps({name: version(name) for name in names}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
