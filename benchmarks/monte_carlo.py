"""What Monte-Carlo dropout costs: T samples against one deterministic pass and the naive loop.

Run `python benchmarks/monte_carlo.py [--output FOLDER] [--seconds 5]`. It prints tables and writes
`monte_carlo.json`, `monte_carlo.md` and `monte_carlo.png`. All sides of a table are timed in turn
in one run, and the figures are medians. `--clock cpu` counts the processor's time on one thread,
which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras
import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from keras import layers
from onnx import TensorProto, helper

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.tf2onnx.philox_nodes import (
    Rows,
    philox_decisions,
    philox_numbers,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from plain_graph import PlainGraph

SAMPLES = (1, 8, 32, 128)
BATCH = 32
NUMBERS = 1_000_000

Timings = dict[str, float]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
settings = {"clock": "wall"}


def network(everywhere: bool) -> keras.Model:
    """Return a CNN for 32 x 32 images, with dropout in its head or after every block."""
    inputs = keras.Input((32, 32, 3), name="image")
    x = inputs
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        if everywhere:
            x = kd.ScheduledDropout(0.2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(128, activation="relu")(kd.ScheduledDropout(0.5)(x))
    outputs = layers.Dense(10, activation="softmax", name="label")(kd.ScheduledDropout(0.5)(x))
    return keras.Model(inputs, outputs)


def interleaved(sides: dict[str, Callable[[], Any]], seconds: float) -> Timings:
    """Return the median seconds of each side; one call of each after the other, many times."""
    for call in sides.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in sides}
    clock = CLOCKS[settings["clock"]]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 3:
        for name, call in sides.items():
            start = clock()
            call()
            times[name].append(clock() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def in_keras(model: keras.Model, x: np.ndarray, seconds: float) -> Timings:
    """Time the model, the naive loop of training calls, and mc_predict."""
    plain = tf.function(lambda x: model(x, training=False), autograph=False)
    naive = tf.function(lambda x: model(x, training=True), autograph=False)
    tensor = tf.constant(x)
    sides: dict[str, Callable[[], Any]] = {"deterministic": lambda: plain(tensor).numpy()}
    for samples in SAMPLES:
        sides[f"ours {samples}"] = lambda samples=samples: kd.mc_predict(
            model, x, samples=samples, seed=1, batch_size=BATCH, verbose=False
        )
    sides["naive 32"] = lambda: [naive(tensor).numpy() for _ in range(32)]
    return interleaved(sides, seconds)


def session(path: Path | bytes) -> onnxruntime.InferenceSession:
    """Return a session with the runtime's own settings, or of one thread."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Or the idle threads of one session take the cores from the session that is timed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if settings["clock"] == "cpu":
        options.intra_op_num_threads = 1
    source = path if isinstance(path, bytes) else str(path)
    return onnxruntime.InferenceSession(source, options, ["CPUExecutionProvider"])


def in_onnxruntime(model: keras.Model, x: np.ndarray, seconds: float) -> Timings:
    """Time the deterministic file, T runs of the file with one sample, and the file with T."""
    sides: dict[str, Callable[[], Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.onnx"
        kde.export_onnx(model, path)
        plain = session(path)
        sides["deterministic"] = lambda: plain.run(None, {"image": x})
        for samples in SAMPLES:
            path = Path(folder) / f"{samples}.onnx"
            kde.export_onnx(model, path, samples=samples)
            run = session(path)
            feeds = {"image": x, "seed": kd.row_seeds(1, len(x))}
            sides[f"ours {samples}"] = lambda run=run, feeds=feeds: run.run(None, feeds)
            if samples == 1:
                sides["naive 32"] = lambda run=run: [
                    run.run(None, {"image": x, "seed": kd.row_seeds(i, len(x))}) for i in range(32)
                ]
        path = Path(folder) / "portable.onnx"
        kde.export_onnx(model, path, samples=32, rng="portable")
        portable = session(path)
        feeds = {"image": x, "seed": kd.row_seeds(1, len(x))}
        sides["portable 32"] = lambda: portable.run(None, feeds)
        return interleaved(sides, seconds)


def _file(nodes: PlainGraph, result: str, dtype: int) -> onnxruntime.InferenceSession:
    graph = helper.make_graph(
        nodes.nodes,
        "numbers",
        [helper.make_tensor_value_info("seed", TensorProto.INT64, ["rows"])],
        [helper.make_tensor_value_info(result, dtype, None)],
        list(nodes.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return session(model.SerializeToString())


def numbers(seconds: float) -> Timings:
    """Time a million numbers of each kind."""
    feeds = {"seed": kd.row_seeds(1, 1)}
    sides: dict[str, Callable[[], Any]] = {}
    for label in ("Philox, decisions", "Philox, words"):
        nodes = PlainGraph()
        first, samples, count = (
            nodes.constant(np.array([value], np.int64)) for value in (0, 32, NUMBERS // 32)
        )
        rows = Rows("seed", first, samples, count)
        if label == "Philox, words":
            run = _file(nodes, philox_numbers(nodes, (0, 0), rows), TensorProto.INT32)
        else:
            below = nodes.constant(np.array([2**22], np.int32))
            keep = philox_decisions(nodes, (0, 0), rows, below)
            run = _file(nodes, keep, TensorProto.BOOL)
        sides[label] = lambda run=run: run.run(None, feeds)
    nodes = PlainGraph()
    shape = nodes.constant(np.array([NUMBERS], np.int64))
    start = nodes.node("Mul", [nodes.node("Cast", ["seed"], to=1), nodes.constant(np.float32(0))])
    like = nodes.node("RandomUniformLike", [nodes.node("Expand", [start, shape])], dtype=1)
    native = _file(nodes, like, TensorProto.FLOAT)
    sides["RandomUniformLike"] = lambda: native.run(None, feeds)
    return interleaved(sides, seconds)


def loading(rounds: int = 9) -> str:
    """Time how long onnxruntime takes to load a file with ten dropout layers, as a table."""
    inner = [
        layer
        for _ in range(10)
        for layer in (layers.Dense(64, activation="relu"), kd.ScheduledDropout(0.1))
    ]
    model = keras.Sequential([keras.Input((64,)), *inner])
    ways: dict[str, dict[str, Any]] = {
        "no dropout": {},
        "philox, 8 samples": {"samples": 8},
        "portable, 8 samples": {"samples": 8, "rng": "portable"},
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    nodes = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{i}.onnx" for i, name in enumerate(ways)}
        for name, options in ways.items():
            kde.export_onnx(model, paths[name], **options)
            nodes[name] = kde.audit(paths[name]).operations
        for _ in range(rounds):
            for name, path in paths.items():
                begin = time.perf_counter()
                session(path)
                times[name].append(time.perf_counter() - begin)
    lines = ["| a file with ten dropout layers | nodes | ms to load |", "|---|---|---|"]
    medians = {name: statistics.median(each) * 1e3 for name, each in times.items()}
    lines += [f"| {name} | {nodes[name]} | {medians[name]:.0f} |" for name in ways]
    return "\n".join(lines)


def table(title: str, timings: Timings) -> str:
    """Return times and ratios as a Markdown table."""
    once = timings["deterministic"]
    lines = [
        f"### {title}",
        "",
        "| | ms | against one deterministic pass | against the naive loop |",
        "|---|---|---|---|",
        f"| deterministic | {once * 1e3:.2f} | 1.00 | |",
    ]
    for name, value in timings.items():
        if name != "deterministic":
            samples = int(name.split()[1])
            naive = value / timings["naive 32"] * 32 / samples
            lines.append(f"| {name} | {value * 1e3:.2f} | {value / once:.2f} | {naive:.2f} |")
    return "\n".join(lines)


def picture(results: dict[str, Timings], path: Path) -> None:
    """Draw the cost of T samples over T."""
    figure, axes = plt.subplots(1, len(results), figsize=(4 * len(results), 3.6), sharey=True)
    for ax, (title, timings) in zip(axes, results.items(), strict=True):
        once = timings["deterministic"]
        ax.plot(SAMPLES, SAMPLES, "--", color="gray", label="T deterministic passes")
        naive = timings["naive 32"] / 32 / once
        ax.plot(SAMPLES, [naive * samples for samples in SAMPLES], "o:", label="naive loop")
        ax.plot(SAMPLES, [timings[f"ours {s}"] / once for s in SAMPLES], "o-", label="this package")
        ax.set(xscale="log", yscale="log", title=title, xlabel="samples T", xticks=SAMPLES)
        ax.set_xticklabels([str(samples) for samples in SAMPLES])
        ax.minorticks_off()
    axes[0].set_ylabel("cost in deterministic passes")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="a folder")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each table")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    settings["clock"] = arguments.clock
    if arguments.clock == "cpu":
        tf.config.threading.set_intra_op_parallelism_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((BATCH, 32, 32, 3)).astype("float32")
    load = os.getloadavg()[0]
    results = {}
    for everywhere in (False, True):
        model = network(everywhere)
        where = "everywhere" if everywhere else "in the head"
        results[f"Keras, dropout {where}"] = in_keras(model, x, arguments.seconds)
        results[f"onnxruntime, dropout {where}"] = in_onnxruntime(model, x, arguments.seconds)
    drawn = numbers(arguments.seconds)
    native = drawn["RandomUniformLike"]
    lines = ["| a million numbers in onnxruntime | ms | ratio |", "|---|---|---|"]
    lines += [f"| {name} | {v * 1e3:.2f} | {v / native:.2f} |" for name, v in drawn.items()]
    environment = (
        f"{os.cpu_count()} cores, load {load:.1f} at the start; Python {platform.python_version()},"
        f" TensorFlow {tf.__version__}, onnxruntime {onnxruntime.__version__}, onnx "
        f"{onnx.__version__}. Batch {BATCH}, "
        f"{arguments.clock} time."
    )
    tables = [*(table(*each) for each in results.items()), "\n".join(lines), loading()]
    parts = [environment, *tables]
    text = "\n\n".join(parts) + "\n"
    print(text)
    (arguments.output / "monte_carlo.md").write_text(text)
    everything = {"environment": environment, "seconds": results, "numbers": drawn}
    (arguments.output / "monte_carlo.json").write_text(json.dumps(everything, indent=2))
    picture(results, arguments.output / "monte_carlo.png")


if __name__ == "__main__":
    main()
