"""What all metrics of `kd.uncertainty.evaluate` cost for a million predictions of ten classes.

Run `python benchmarks/uncertainty_speed.py [--rows 1000000] [--classes 10] [--repeats 5]`. It
prints the median time of each call on the processors that it may use, and the largest memory that
NumPy held beside the predictions.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import keras_dropouts as kd


def timed(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median of the seconds that a call takes, and the most MB that it holds."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return statistics.median(seconds), most / 1e6


def main() -> None:
    """Time the metrics of classes, of numbers, and of out-of-distribution detection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 1_000_000), ("classes", 10), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    p = np.exp(2 * random.standard_normal((given.rows, given.classes), "float32"))
    p /= p.sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) > random.random((given.rows, 1))).argmax(axis=1)
    mean = random.standard_normal(given.rows)
    std = random.uniform(0.5, 2.0, given.rows)
    truth = random.normal(mean, std)
    part = slice(0, 10_000)
    calls: dict[str, Callable[[], object]] = {
        "classes, every figure": lambda: kd.uncertainty.evaluate(p, y),
        "numbers, every figure": lambda: kd.uncertainty.evaluate(mean, truth, std=std),
        "out of distribution": lambda: kd.uncertainty.out_of_distribution(mean, truth),
        "10,000 rows of classes, bootstrap=1000": lambda: kd.uncertainty.evaluate(
            p[part], y[part], bootstrap=1000
        ),
    }
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{given.rows:,} rows, {given.classes} classes; {cores} cores, {platform.machine()}")
    for name, call in calls.items():
        seconds, most = timed(call, 1 if "bootstrap" in name else given.repeats)
        print(f"{name:40} {seconds:7.2f} s {most:8.0f} MB")


if __name__ == "__main__":
    main()
