"""Time everything on the backend of this process (KERAS_BACKEND) and write a JSON file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import contenders
import keras
from execution import MODES, bytes_kept, contender
from timing import interleaved
from training import steps

MAPS = [(32, 7, 7, 512), (32, 14, 14, 256), (32, 28, 28, 128), (32, 56, 56, 64)]
ROWS = [(128, 512), (256, 2048), (1024, 4096)]
MEMORY_SHAPE = (32, 28, 28, 128)
# Where sizes are not swept: XLA compiles for seconds, and the generator that it gives to
# keras.layers.Dropout takes a second a step.
FEW = [(32, 28, 28, 128), (128, 512), (256, 2048)]


def measure(seconds: float) -> dict[str, Any]:
    """Return the times of layers and of training steps, and the bytes that layers keep."""
    backend = keras.backend.backend()
    layers, memory, training = [], {}, []
    for mode in MODES[backend]:
        shapes = {"graph": MAPS + ROWS, "compile": FEW[:1]}.get(mode, FEW)
        for shape in shapes:
            on_maps = len(shape) == 4 and mode != "compile"  # which compiles for a minute each
            who = contenders.on_maps() if on_maps else contenders.everywhere()
            layers += _timed(who, shape, mode, seconds)
    for shape in ROWS[:2] if backend != "torch" else []:
        layers += _timed(contenders.on_dense(shape[1]), shape, MODES[backend][0], seconds)
    for name, make in contenders.on_maps().items():
        memory[name] = bytes_kept(make(), MEMORY_SHAPE)
    for model, who in steps().items():
        print(f"  training steps, {model}", flush=True)
        for name, times in interleaved(who, seconds, min_rounds=5).items():
            training.append({"backend": backend, "model": model, "contender": name, **times})
    return {"layers": layers, "memory": {backend: memory}, "training": training}


def _timed(
    who: dict[str, Any], shape: tuple[int, ...], mode: str, seconds: float
) -> list[dict[str, Any]]:
    print(f"  {mode}, {'x'.join(map(str, shape))}", flush=True)
    ready = {name: contender(make(), shape, mode) for name, make in who.items()}
    place = {"backend": keras.backend.backend(), "mode": mode, "shape": list(shape)}
    times = interleaved(ready, seconds)
    return [{**place, "contender": name, **summary} for name, summary in times.items()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    arguments.output.write_text(json.dumps(measure(arguments.seconds)))
