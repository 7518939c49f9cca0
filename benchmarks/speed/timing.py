"""Times all contenders in turn, so that other work on the machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

Contender = Callable[[int], None]  # runs a number of times, then waits until all is done

SAMPLE_SECONDS = 0.004  # a sample takes at least this long, so that the clock does not matter


def interleaved(
    contenders: dict[str, Contender], seconds: float, min_rounds: int = 7
) -> dict[str, dict[str, float]]:
    """Return the median time of a run and its quartiles, in milliseconds, of each contender.

    seconds: how long all of them run together, once each has run twice to warm up.
    """
    repeats = {}
    for name, run in contenders.items():
        run(1)
        start = time.perf_counter()
        run(1)
        duration = time.perf_counter() - start
        repeats[name] = max(1, round(SAMPLE_SECONDS / max(duration, 1e-6)))
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(samples.values()))) < min_rounds:
        for name, run in contenders.items():
            start = time.perf_counter()
            run(repeats[name])
            samples[name].append((time.perf_counter() - start) / repeats[name])
    return {name: _summary(values) for name, values in samples.items()}


def _summary(values: list[float]) -> dict[str, float]:
    low, middle, high = (1e3 * value for value in statistics.quantiles(values, n=4))
    return {"median_ms": middle, "low_ms": low, "high_ms": high, "rounds": len(values)}
