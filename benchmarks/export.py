"""How many models of the zoo leave training whole, by us and by `keras.Model.export`, as ONNX.

Run: python benchmarks/export.py [zoo | hub | applications ...]

For each model and each exporter: whether a file is written, whether onnxruntime loads it, whether
two runs are the same bit for bit, and whether they equal the model at inference within tolerance
(1e-5 and 1e-4 of the largest value; 1e-2 of it in half precision).
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import contextlib
import gc
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime

import keras_dropouts_export as kde
from keras_dropouts_export.inference import inference_function
from keras_dropouts_export.trial_inputs import trial_inputs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import zoo
import zoo_applications
import zoo_hub
import zoo_hub_composed

STAGES = ("not written", "does not load", "not deterministic", "not equal", "whole")
SETS: dict[str, dict[str, Callable[[], keras.Model]]] = {
    "zoo": zoo.ZOO,
    "hub": {**zoo_hub.ZOO, **zoo_hub_composed.ZOO},
    "applications": zoo_applications.ZOO,
}


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session that says nothing."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def same(got: list[np.ndarray], wanted: list[np.ndarray], narrow: bool) -> bool:
    """Return whether all outputs are those of the model, in its order."""
    tolerance = 1e-2 if narrow else 1e-4
    return len(got) == len(wanted) and all(
        x.shape == y.shape
        and np.allclose(x, y, rtol=0, atol=1e-5 + tolerance * np.abs(y.astype("float64")).max())
        for x, y in zip(got, wanted, strict=True)
    )


def stage(path: Path, inputs: dict[str, Any], wanted: list[np.ndarray], narrow: bool) -> str:
    """Return how far a file comes."""
    try:
        runner = session(path)
    except Exception:  # noqa: BLE001  (onnxruntime raises classes of its own, without a base)
        return "does not load"
    names = [each.name for each in runner.get_inputs()]
    if len(names) != len(inputs):
        return "does not load"  # constants came out as inputs
    feed = inputs if set(names) == set(inputs) else dict(zip(names, inputs.values(), strict=True))
    try:
        first, second = (runner.run(None, feed) for _ in range(2))
    except Exception:  # noqa: BLE001  (as above)
        return "does not load"
    if any(x.tobytes() != y.tobytes() for x, y in zip(first, second, strict=True)):
        return "not deterministic"
    return "whole" if same(first, wanted, narrow) else "not equal"


def exported_by_keras(model: keras.Model, path: Path, inputs: dict[str, np.ndarray]) -> bool:
    """Return whether Keras wrote a file."""
    try:
        graph = model._functional if isinstance(model, keras.Sequential) else model
        structure = getattr(graph, "input", None)
        values = list(inputs.values())
        called = values[0] if structure is None else keras.tree.pack_sequence_as(structure, values)
        model(called, training=False)  # it refuses a model that was never called
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="onnx", verbose=False)
    except Exception:  # noqa: BLE001  (whatever it raises, there is no file)
        return False
    return path.exists()


def compare(make: Callable[[], keras.Model]) -> tuple[str, str]:
    """Return how far our file and Keras's come."""
    keras.utils.set_random_seed(0)
    model = make()
    function = inference_function(model)
    _, inputs, outputs = next(iter(trial_inputs(function, batch_sizes=(2,))))
    wanted = [np.asarray(each, "float64") for each in outputs.values()]
    narrow = any(layer.compute_dtype != layer.variable_dtype for layer in model._flatten_layers())
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.onnx", Path(folder) / "theirs.onnx"
        kde.export_onnx(model, ours)
        widened = {x.name for x in session(ours).get_inputs() if x.type == "tensor(float)"}
        fed = {key: x.astype("float32") if key in widened else x for key, x in inputs.items()}
        found = stage(ours, fed, wanted, narrow)
        if not exported_by_keras(model, theirs, inputs):
            return found, "not written"
        return found, stage(theirs, inputs, wanted, narrow)


def main() -> None:
    """Print a line a model, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["zoo", "hub"], choices=list(SETS))
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    counts: list[tuple[str, str]] = []
    for chosen in parser.parse_args().sets:
        for name, make in SETS[chosen].items():
            try:
                found = compare(make)
            except kde.ExportError as error:
                found = (f"error: {str(error)[:60]}", "-")
            counts.append(found)
            print(f"{name:<28} ours: {found[0]:<18} Keras: {found[1]}", flush=True)
            keras.backend.clear_session()
            gc.collect()
    for index, who in enumerate(("ours", "Keras")):
        said = ", ".join(f"{sum(x[index] == each for x in counts)} {each}" for each in STAGES)
        print(f"{who:<6} of {len(counts)}: {said}")


if __name__ == "__main__":
    main()
