"""Our ONNX files against those of `keras.Model.export`: time to run, and time to make.

Run: python benchmarks/export_speed.py

A ratio below 1 says that ours is faster. The runs of the two files are interleaved in one process,
on one thread; the ratio is that of medians, and nan where Keras's file cannot be run. Making
includes, on our side only, the audit and the comparison with the model.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import contextlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime

import keras_dropouts_export as kde
from keras_dropouts_export.inference import inference_function
from keras_dropouts_export.trial_inputs import trial_inputs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import zoo_applications
import zoo_hub

ROUNDS, BATCH = 40, 7


def small_cnn() -> keras.Model:
    """Return convolutions with normalizations, as they are trained."""
    layers: list[keras.layers.Layer] = [keras.Input((64, 64, 3), name="image")]
    for filters in (32, 64, 64):
        layers += [
            keras.layers.Conv2D(filters, 3, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.1),
        ]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()])


def transformer() -> keras.Model:
    """Return a BERT of 4 layers of 128 units."""
    return zoo_hub.backbone("Bert", hidden_dim=128, intermediate_dim=512, num_heads=4, num_layers=4)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "small CNN": small_cnn,
    "BERT, 4 layers": transformer,
    "MobileNetV2": zoo_applications.ZOO["MobileNetV2"],
    "EfficientNetB0": zoo_applications.ZOO["EfficientNetB0"],
}


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def timed(call: Callable[[], object]) -> float:
    """Return how long a call took, in seconds."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def compare(model: keras.Model, folder: Path) -> tuple[float, float]:
    """Return the ratios of run time and of export time."""
    *_, (_, inputs, _) = trial_inputs(inference_function(model), batch_sizes=(BATCH,))
    model.predict(keras.tree.pack_sequence_as(model_input(model), list(inputs.values())), verbose=0)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = timed(lambda: model.export(folder / "theirs.onnx", format="onnx", verbose=False))
    ours = timed(lambda: kde.export_onnx(model, folder / "ours.onnx"))
    counts = [len(session(folder / n).get_inputs()) for n in ("ours.onnx", "theirs.onnx")]
    if counts[0] != counts[1]:  # constants came out as inputs: nothing can run their file
        return float("nan"), ours / theirs
    sessions = [session(folder / name) for name in ("ours.onnx", "theirs.onnx")]
    # Keras names inputs by its own rule; the order is the same.
    feeds = [
        dict(zip([x.name for x in each.get_inputs()], inputs.values(), strict=True))
        for each in sessions
    ]
    times: list[list[float]] = [[], []]
    for round_ in range(ROUNDS + 3):
        for each, feed, into in zip(sessions, feeds, times, strict=True):
            seconds = timed(lambda each=each, feed=feed: each.run(None, feed))
            if round_ >= 3:
                into.append(seconds)
    medians = [statistics.median(each) for each in times]
    return medians[0] / medians[1], ours / theirs


def model_input(model: keras.Model) -> object:
    """Return the structure of a model's inputs."""
    return model._functional.input if isinstance(model, keras.Sequential) else model.input


def main() -> None:
    """Print a line a model."""
    print(f"{'model':<16} run ours/Keras  export ours/Keras")
    for name, make in MODELS.items():
        np.random.seed(0)
        keras.utils.set_random_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            run, export = compare(make(), Path(folder))
        print(f"{name:<16} {run:14.2f}  {export:17.2f}", flush=True)


if __name__ == "__main__":
    main()
