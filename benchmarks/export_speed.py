"""Our ONNX files against those of `keras.Model.export`: time to run, and time to make.

Run: python benchmarks/export_speed.py [MODEL ...]

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
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.tracing.inference_function import inference_function

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
    return hub_transformer("Bert")


def hub_transformer(kind: str) -> keras.Model:
    """Return a transformer of keras_hub of 4 layers of 128 units."""
    sizes = {"hidden_dim": 128, "intermediate_dim": 512, "num_heads": 4, "num_layers": 4}
    return zoo_applications.stir(zoo_hub.backbone(kind, **sizes))


def vision_transformer() -> keras.Model:
    """Return a transformer over patches of an image, with the `gelu` that Keras can export."""
    image = keras.Input((64, 64, 3), name="image")
    x = keras.layers.Reshape((64, 128))(keras.layers.Conv2D(128, 8, strides=8)(image))
    for _ in range(4):
        y = keras.layers.LayerNormalization()(x)
        x = x + keras.layers.MultiHeadAttention(4, 32, dropout=0.1)(y, y)
        y = keras.layers.Dense(512)(keras.layers.LayerNormalization()(x))
        y = keras.ops.gelu(y, approximate=True)
        x = x + keras.layers.Dropout(0.1)(keras.layers.Dense(128)(y))
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(x))
    return zoo_applications.stir(keras.Model(image, keras.layers.Dense(10)(x)))


def recurrent(kind: type[keras.layers.Layer]) -> keras.Model:
    """Return two recurrent layers, the first in both directions."""
    inner = kind(64, return_sequences=True, dropout=0.1, recurrent_dropout=0.1)
    return keras.Sequential(
        [
            keras.Input((None, 32), name="series"),
            keras.layers.Bidirectional(inner),
            kind(64, dropout=0.1),
            keras.layers.Dense(10),
        ]
    )


def application(name: str) -> Callable[[], keras.Model]:
    """Return what makes a model of keras.applications for images of 64 by 64."""
    return lambda: zoo_applications.make(name, 64)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "small CNN": small_cnn,
    "BERT, 4 layers": transformer,
    "GPT2, 4 layers": lambda: hub_transformer("GPT2"),
    "T5, 2 layers": lambda: zoo_applications.stir(zoo_hub.ZOO["hub_T5"]()),
    "ViT, 4 layers": vision_transformer,
    "LSTM": lambda: recurrent(keras.layers.LSTM),
    "GRU": lambda: recurrent(keras.layers.GRU),
    **{
        name: application(name)
        for name in ("MobileNetV2", "ResNet50", "DenseNet121", "EfficientNetB0", "ConvNeXtTiny")
    },
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
    try:
        sessions = [session(folder / name) for name in ("ours.onnx", "theirs.onnx")]
    except Exception:  # noqa: BLE001  (onnxruntime raises classes of its own, without a base)
        return float("nan"), ours / theirs
    if len({len(each.get_inputs()) for each in sessions}) > 1:
        return float("nan"), ours / theirs  # constants came out as inputs: nothing to feed them
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
    for name in sys.argv[1:] or MODELS:
        make = MODELS[name]
        keras.backend.clear_session()
        np.random.seed(0)
        keras.utils.set_random_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            run, export = compare(make(), Path(folder))
        print(f"{name:<16} {run:14.2f}  {export:17.2f}", flush=True)


if __name__ == "__main__":
    main()
