"""Export a model of 2.2 GB to ONNX, verify it, and print the peak of memory against the weights.

Run: python benchmarks/large_model.py [folder]

TensorFlow's oneDNN kernels keep what they freed in a pool of their own, which is switched off here:
with it the peak counts memory that nobody holds.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import resource
import sys
import tempfile
import time
from pathlib import Path

import keras

import keras_dropouts as kd
import keras_dropouts_export as kde

WIDTH, LAYERS = 10_500, 5


def model() -> keras.Model:
    """Return five Dense layers of 441 MB each, with dropout between them."""
    layers: list[keras.layers.Layer] = [keras.Input((WIDTH,), name="x")]
    for i in range(LAYERS):
        layers += [
            keras.layers.Dense(WIDTH, name=f"dense_{i}"),
            kd.ScheduledDropout(0.1),
        ]
    return keras.Sequential(layers, name="large")


def peak() -> float:
    """Return the most memory that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Export and print."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        large = model()
        weights = sum(each.value.numpy().nbytes for each in large.weights) / 1e9
        print(f"weights {weights:.2f} GB, peak before the export {peak():.2f} GB")
        begin = time.perf_counter()

        def step(name: str) -> None:
            print(f"{time.perf_counter() - begin:6.1f} s  {name:<8} peak so far {peak():.2f} GB")

        report = kde.export_onnx(large, Path(folder) / "large.onnx", progress=step)
        step("done")
        print(report)
        print(f"peak {peak():.2f} GB = {peak() / weights:.2f} times the weights")


if __name__ == "__main__":
    main()
