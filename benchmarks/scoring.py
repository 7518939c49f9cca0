"""Measures what scoring costs beside onnxruntime itself, in processor time of one thread.

`python benchmarks/scoring.py [ROWS] [REPEATS]` prints a Markdown table: the same rows in batches of
256 through `session.run` and through `OnnxScorer`, in turn, medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime

import keras_dropouts as kd
import keras_dropouts_export as kde

BATCH = 256
FEATURES = 32


def model() -> keras.Model:
    """Return a feed-forward net of the size that tables have."""
    dense = [
        layer
        for _ in range(2)
        for layer in (keras.layers.Dense(256, activation="relu"), keras.layers.Dropout(0.2))
    ]
    layers = [keras.Input((FEATURES,), name="x"), *dense, keras.layers.Dense(3, name="y")]
    return keras.Sequential(layers)


def ways(folder: Path, x: np.ndarray, seeded: bool) -> dict[str, Callable[[], object]]:
    """Return what is timed, by its name."""
    path = folder / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    scorer = kde.scoring.OnnxScorer(path, 7, batch_size=BATCH, intra_op_threads=1)
    seeds = kd.row_seeds(7, len(x))

    def plain() -> None:
        for first in range(0, len(x), BATCH):
            rows = slice(first, first + BATCH)
            session.run(None, {"x": x[rows], **({"seed": seeds[rows]} if seeded else {})})

    return {"`session.run`": plain, "`OnnxScorer`": lambda: scorer({"x": x})}


def main(rows: int = 20000, repeats: int = 7) -> None:
    """Print the table."""
    x = np.random.default_rng(0).standard_normal((rows, FEATURES)).astype("float32")
    print("| file | way | seconds of the processor | times `session.run` |\n|---|---|---|---|")
    for samples in (None, 32):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            kde.export_onnx(model(), folder / "model.onnx", samples=samples)
            timed = ways(folder, x, samples is not None)
            found: dict[str, list[float]] = {name: [] for name in timed}
            for repeat in range(repeats + 1):
                for name, run in timed.items():
                    before = time.process_time()
                    run()
                    if repeat:  # the first round fills caches
                        found[name].append(time.process_time() - before)
        medians = {name: statistics.median(each) for name, each in found.items()}
        kind = "without dropout" if samples is None else f"{samples} samples"
        for name, median in medians.items():
            ratio = median / medians["`session.run`"]
            print(f"| {kind} | {name} | {median:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
