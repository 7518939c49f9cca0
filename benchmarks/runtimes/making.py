"""Writes every artifact in each format that takes it, and Keras's own answers beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import exchange
import keras
import numpy as np
from artifacts import SEEDS, Artifact

import keras_dropouts as kd
import keras_dropouts_export as kde

# How each format is written: its name, the file name in the artifact's folder, the function.
FORMATS: dict[str, tuple[str, Callable[..., Any]]] = {
    "onnx": ("model.onnx", kde.export_onnx),
    "saved_model": ("saved_model", kde.export_saved_model),
    "litert": ("model.tflite", kde.export_litert),
}
# Options of an export that not every format has.
KNOWN = {"saved_model": ["samples", "reduce", "fixed_masks"], "litert": ["samples"]}
CASES = "cases.json"
BATCHES = (len(SEEDS), 1)  # rows of the cases: all seeds, and the last one alone


def make(artifact: Artifact, folder: Path, formats: tuple[str, ...] = tuple(FORMATS)) -> None:
    """Write an artifact and its cases to `folder`, and why a format does not hold it.

    `cases.json` holds the inputs and outputs of each case by name, as exchange.py writes them, and
    the names of the outputs in the file's order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(20)
    model = artifact.make()
    refused, names = {}, []
    for name in formats:
        file, export = FORMATS[name]
        options = {
            each: x for each, x in artifact.options.items() if each in KNOWN.get(name, [each])
        }
        try:
            report = export(model, folder / file, overwrite=True, **options)
            names = names or [each.name for each in report.outputs]  # of the first format, ONNX
        except (kde.ExportError, ValueError) as error:
            refused[name] = str(error).splitlines()[0]
    random = np.random.default_rng(3)
    every = artifact.inputs(random, len(SEEDS))
    cases = []
    for rows in BATCHES:
        inputs = {name: x[-rows:] for name, x in every.items()}
        seeds = np.array(artifact.seeds[-rows:], "int64")
        given = {**inputs, "seed": seeds} if artifact.samples else inputs
        outputs = answers(model, artifact, inputs, seeds)
        cases.append({"inputs": exchange.encoded(given), "outputs": exchange.encoded(outputs)})
    exchange.write(folder / CASES, {"refused": refused, "names": names, "cases": cases})


def answers(
    model: keras.Model, artifact: Artifact, inputs: dict[str, np.ndarray], seeds: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what the model itself gives, by the names of the artifact's outputs."""
    x = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    if artifact.samples is None:
        outputs = model(x, training=False)
        return {name: keras.ops.convert_to_numpy(y) for name, y in outputs.items()}
    found = kd.mc_predict(
        model,
        x,
        samples=artifact.samples,
        row_seeds=seeds,
        fixed_masks=artifact.options.get("fixed_masks", False),
        verbose=False,
    )
    if "reduce" in artifact.options:
        return {f"{name}_samples": np.moveaxis(y, 0, 1) for name, y in found.samples.items()}
    means = {f"{name}_mean": y for name, y in found.mean.items()}
    return means | {f"{name}_std": y for name, y in found.std.items()}
