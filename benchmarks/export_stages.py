"""Tells how far an exported file comes: it loads, runs, repeats, and agrees with its model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

import keras_dropouts_export as kde

Arrays = list[np.ndarray]
Inputs = dict[str, np.ndarray]

STAGES = (
    "not written",
    "not clean",
    "does not load",
    "does not run",
    "not deterministic",
    "not equal",
    "seeds left",
    "whole",
)


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session that says nothing."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def same(got: Arrays, wanted: Arrays, narrow: bool) -> bool:
    """Return whether each output of the model is one of what was got, in any order."""
    tolerance = 1e-2 if narrow else 1e-4
    left = list(got)
    for y in wanted:
        bound = 1e-5 + tolerance * np.abs(y).max(initial=0.0)
        for i, x in enumerate(left):
            if x.shape == y.shape and np.allclose(x, y, rtol=0, atol=bound, equal_nan=True):
                del left[i]
                break
        else:
            return False
    return not left


def verdict(first: Arrays, second: Arrays, references: list[Arrays], narrow: bool) -> str:
    """Return the stage of two runs."""
    if any(x.tobytes() != y.tobytes() for x, y in zip(first, second, strict=True)):
        return "not deterministic"
    values = [x.astype("float64") for x in first]
    return "whole" if any(same(values, each, narrow) for each in references) else "not equal"


def feeds(runner: onnxruntime.InferenceSession, inputs: Inputs) -> Iterator[Inputs]:
    """Yield the inputs by the file's names: as called, or in every order that its ranks allow."""
    wanted = {each.name: each for each in runner.get_inputs()}
    if set(wanted) <= set(inputs):
        orders: Any = [list(wanted)]
    else:
        orders = itertools.islice(itertools.permutations(inputs, len(wanted)), 1000)
    for order in orders:
        pairs = list(zip(wanted.values(), order, strict=True))
        if all(len(each.shape) == inputs[key].ndim for each, key in pairs):
            yield {
                each.name: inputs[key].astype("float32")
                if each.type == "tensor(float)"
                else inputs[key]
                for each, key in pairs
            }


def onnx_stage(path: Path, inputs: Inputs, references: list[Arrays], narrow: bool) -> str:
    """Return how far an ONNX file comes."""
    try:
        runner = session(path)
    except Exception:  # noqa: BLE001  (onnxruntime raises classes of its own, without a base)
        return "does not load"
    best = "does not run"  # as where constants came out as inputs: there is nothing to feed them
    for feed in feeds(runner, inputs):
        try:
            first, second = (runner.run(None, feed) for _ in range(2))
        except Exception:  # noqa: BLE001  (as above)
            continue
        best = max(best, verdict(first, second, references, narrow), key=STAGES.index)
    return best


def saved_model_stage(
    path: Path, run: Callable[[Any], Any], references: list[Arrays], narrow: bool
) -> str:
    """Return how far a SavedModel comes, which `run` runs once it is loaded."""
    audit = kde.audit(path)
    found = [*audit.random_ops, *audit.state_writes, *audit.unknown_ops]
    if any(each.op != "Variable" for each in found):
        return "not clean"
    try:
        loaded = tf.saved_model.load(str(path))
        runs = [[np.asarray(x) for x in keras.tree.flatten(run(loaded))] for _ in range(2)]
    except Exception:  # noqa: BLE001  (whatever TensorFlow raises, it cannot be served)
        return "does not run"
    stage = verdict(runs[0], runs[1], references, narrow)
    return "seeds left" if stage == "whole" and found else stage
