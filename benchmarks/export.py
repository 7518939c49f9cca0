"""How many models of the zoo leave training whole, by us and by `keras.Model.export`.

Run: python benchmarks/export.py [zoo | hub | applications ...] [--markdown FILE]

For each model and each exporter, how far its ONNX file comes: written, loaded by onnxruntime, run,
the same bit for bit in two runs, equal to the model within tolerance (1e-5 and 1e-4 of the largest
value; 1e-2 of it in half precision). And how far its SavedModel comes: written, clean of random
operations and of variable writes in whatever is served, run, equal, without the variables of seeds
among its weights ("seeds left" is all else but this).

In doubt for Keras: each exporter gets a model of its own with the same weights, called before; one
batch size and one length are tried; inputs may have any names and outputs any order; a file is
equal to the model if it equals either the model with every noise source off or
`model(x, training=False)`, where that is the same in two calls.
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
import tensorflow as tf
from export_stages import STAGES, Arrays, Inputs, onnx_stage, saved_model_stage

import keras_dropouts_export as kde
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.tracing.inference_function import InferenceFunction, inference_function

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import zoo
import zoo_applications
import zoo_hub
import zoo_hub_composed

Files = dict[str, str]  # the stage of each format

FORMATS = ("ONNX", "SavedModel")
SETS: dict[str, dict[str, Callable[[], keras.Model]]] = {
    "zoo": zoo.ZOO,
    "hub": {**zoo_hub.ZOO, **zoo_hub_composed.ZOO},
    "applications": zoo_applications.ZOO,
}
_SPEC = tf.TensorSpec([None, 16], "int32")
_TOKENS = {"token_ids": _SPEC, "padding_mask": _SPEC}
# Python code in these counts the steps of the sequence; both exporters are told its length.
SIGNATURES = {"hub_Qwen3_5": _TOKENS, "hub_RWKV7": _TOKENS}


def exported_by_keras(model: keras.Model, path: Path, kind: str, signature: Any) -> bool:
    """Return whether Keras wrote a file."""
    extra = {} if signature is None else {"input_signature": [signature]}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format=kind, verbose=False, **extra)
    except Exception:  # noqa: BLE001  (whatever it raises, there is no file)
        return False
    return path.exists()


def keras_call(
    model: keras.Model, function: InferenceFunction, inputs: Inputs
) -> tuple[Any, list[Arrays]]:
    """Return the inputs as the model takes them, and what it makes of them if that is settled."""
    tensors = [tf.constant(inputs[each.name], each.dtype) for each in function.inputs]
    called = function.signature.arguments(tensors)[0]
    weights = model.get_weights()
    runs = [
        [np.asarray(x, "float64") for x in keras.tree.flatten(model(called, training=False))]
        for _ in range(2)
    ]
    model.set_weights(weights)  # a baked training=True moves statistics
    settled = all((x == y).all() for x, y in zip(*runs, strict=True))
    return called, runs[:1] if settled else []


def compare(make: Callable[[], keras.Model], signature: Any = None) -> tuple[Files, Files]:
    """Return how far our files and Keras's come."""
    keras.utils.set_random_seed(0)
    model, twin = make(), make()
    twin.set_weights(model.get_weights())
    function = inference_function(model, signature)
    _, inputs, outputs = next(iter(trial_inputs(function, batch_sizes=(2,))))
    references = [[np.asarray(each, "float64") for each in outputs.values()]]
    narrow = any(layer.compute_dtype != layer.variable_dtype for layer in model._flatten_layers())
    ours, theirs = dict.fromkeys(FORMATS, "not written"), dict.fromkeys(FORMATS, "not written")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.suppress(kde.ExportError):
            kde.export_onnx(model, folder / "m.onnx", input_signature=signature)
            ours["ONNX"] = onnx_stage(folder / "m.onnx", inputs, references, narrow)
        tensors = [tf.constant(inputs[each.name], each.dtype) for each in function.inputs]
        specs = [each.name for each in function.signature.specs]
        with contextlib.suppress(kde.ExportError):
            kde.export_saved_model(model, folder / "m", input_signature=signature)
            fed = dict(zip(specs, tensors, strict=True))
            ours["SavedModel"] = saved_model_stage(
                folder / "m",
                lambda loaded: loaded.signatures["serving_default"](**fed),
                references,
                narrow,
            )
        called, more = keras_call(twin, function, inputs)
        references += more
        if exported_by_keras(twin, folder / "k.onnx", "onnx", signature):
            theirs["ONNX"] = onnx_stage(folder / "k.onnx", inputs, references, narrow)
        if exported_by_keras(twin, folder / "k", "tf_saved_model", signature):
            theirs["SavedModel"] = saved_model_stage(
                folder / "k", lambda loaded: loaded.serve(called), references, narrow
            )
    return ours, theirs


def markdown(found: dict[str, tuple[Files, Files]]) -> str:
    """Return the counts, and the models that are not whole, as tables."""
    lines = [
        "| | ONNX, ours | ONNX, Keras | SavedModel, ours | SavedModel, Keras |",
        "|---" * 5 + "|",
    ]
    for stage in reversed(STAGES):
        counts = [
            sum(each[who][kind] == stage for each in found.values())
            for kind in FORMATS
            for who in (0, 1)
        ]
        lines.append(f"| {stage} | {' | '.join(map(str, counts))} |")
    lines += ["", "| not whole | ONNX, Keras | SavedModel, Keras |", "|---" * 3 + "|"]
    for name, (ours, theirs) in found.items():
        if {*theirs.values(), *ours.values()} != {"whole"}:
            ours_too = "" if set(ours.values()) == {"whole"} else f" (ours: {ours})"
            lines.append(f"| {name}{ours_too} | {theirs['ONNX']} | {theirs['SavedModel']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print a line a model, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["zoo", "hub"], choices=list(SETS))
    parser.add_argument("--markdown", type=Path, help="where to write the tables")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    found: dict[str, tuple[Files, Files]] = {}
    for chosen in arguments.sets:
        for name, make in SETS[chosen].items():
            ours, theirs = found[name] = compare(make, SIGNATURES.get(name))
            said = "  ".join(f"{kind}: {ours[kind]} / {theirs[kind]}" for kind in FORMATS)
            print(f"{name:<26} ours / Keras  {said}", flush=True)
            keras.backend.clear_session()
            gc.collect()
    tables = f"{len(found)} models\n\n{markdown(found)}"
    print(tables)
    if arguments.markdown:
        arguments.markdown.write_text(tables, encoding="utf-8")


if __name__ == "__main__":
    main()
