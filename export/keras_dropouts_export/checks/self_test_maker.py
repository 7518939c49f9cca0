"""Makes the self-test that an ONNX file carries: inputs, and what the model makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_dropouts_export.checks.self_test import finite, values_of
from keras_dropouts_export.checks.tolerances import TOLERANCE, allowed_for, lowest_precision
from keras_dropouts_export.checks.trial_inputs import drawn_inputs, trial_inputs
from keras_dropouts_export.formats.format import Arrays, Exported
from keras_dropouts_export.options import Comparison

ROWS = 2
# Of the rows, over and over: one beyond 32 bits and one below zero, so that a runtime that computes
# them in 32 bits is found; within 2**53, so that languages whose numbers are doubles read them.
ROW_SEEDS = (2**40 + 5, -3)
_STORED = 256  # numbers of an output; of a larger one they are spread over it
_LOOSER = 10.0  # than the comparison of an export: other runtimes round in other orders


def made_for(exported: Exported) -> str | None:
    """Return the self-test of an export as JSON text, None where its outputs are drawn unseeded.

    It holds inputs, two rows where the batch is dynamic, and what the model makes of them. Floats
    are given by a formula that any language computes exactly; see docs/self_test.md.
    """
    if exported.sampling is not None and not exported.sampling.seeded:
        return None
    function = exported.served
    if function.chosen is None:
        _, drawn = next(drawn_inputs(function, batch_sizes=(ROWS,)))
    else:
        _, drawn, _ = next(trial_inputs(function))
    if exported.sampling is not None:
        seed = function.inputs[-1].name
        drawn = {**drawn, seed: np.resize(np.array(ROW_SEEDS, "int64"), drawn[seed].shape)}
    described = {name: _described(x, function.chosen is None) for name, x in drawn.items()}
    inputs = {name: values_of(each) for name, each in described.items()}
    try:
        outputs = function.expected(inputs)
    except Exception:  # noqa: BLE001  (a model may take the numbers that were drawn and no others)
        outputs = {}
    if not (outputs and all(_has_numbers(x) for x in outputs.values())):
        described = {name: _described(x, by_formula=False) for name, x in drawn.items()}
        inputs, outputs = drawn, function.expected(drawn)
    other = function.expected(_with_other_seeds(inputs)) if exported.sampling else {}
    precision, outputs = lowest_precision(function.model), _certain(exported, outputs)
    found = {name: _expected(x, other.get(name), precision) for name, x in outputs.items()}
    return json.dumps({"inputs": described, "outputs": found})


def _with_other_seeds(inputs: Arrays) -> Arrays:
    seed = list(inputs)[-1]
    return {**inputs, seed: inputs[seed] + 1}


def _certain(exported: Exported, outputs: Arrays) -> Arrays:
    """Return the outputs without decisions that the rounding of another runtime may turn."""
    function = exported.served
    if function.decided is None:
        return outputs
    precision = lowest_precision(function.model)
    allowed = {name: allowed_for(x, Comparison(), precision) for name, x in outputs.items()}
    turned = function.decided.open_to_rounding(outputs, allowed)
    return {name: x for name, x in outputs.items() if not turned.get(name, np.zeros(1)).any()}


def remade(exported: Exported, run: Callable[[Arrays], Arrays], precision: str) -> str:
    """Return the self-test of an export, for an artifact that is less precise than its model.

    What is expected is what `run` answers, within the tolerance of `precision`.
    """
    test = json.loads(exported.self_test or "{}")
    inputs = {name: values_of(each) for name, each in test["inputs"].items()}
    answers = run(inputs)
    other = run(_with_other_seeds(inputs)) if exported.sampling else {}
    test["outputs"] = {
        name: _expected(answers[name], other.get(name), precision) for name in test["outputs"]
    }
    return json.dumps(test)


def _has_numbers(x: np.ndarray) -> bool:
    return not x.size or bool(np.isfinite(x.astype("float64")).any())


def _described(x: np.ndarray, by_formula: bool) -> dict[str, Any]:
    head = {"dtype": x.dtype.name, "shape": list(x.shape)}
    is_mask = bool(np.all(x == np.round(x))) if x.dtype.kind == "f" else True  # of zeros and ones
    if by_formula and not is_mask:
        return {**head, "offset": 0.125 if x.min() > 0 else -0.5}
    return {**head, "values": x.reshape(-1).tolist()}


def _expected(answer: np.ndarray, other: np.ndarray | None, precision: str) -> dict[str, Any]:
    """Describe an answer, and what a runtime's may differ by; `other` is that of other seeds."""
    values = answer.astype("float64")
    known = finite(values)
    stride = max(1, -(-values.size // _STORED))
    shown = [float(x) if np.isfinite(x) else None for x in values.reshape(-1)[::stride]]
    atol, rtol = TOLERANCE[precision]
    near = atol + rtol * float(np.max(np.abs(known), initial=0.0))
    tolerance = _LOOSER * near
    if other is not None:  # a runtime that draws other masks is to be found
        change = float(np.max(np.abs(known - finite(other)), initial=0.0))
        tolerance = min(tolerance, max(near, change / 2))
    return {
        "shape": list(values.shape),
        "stride": stride,
        "values": shown,
        "sum": float(known.sum()),
        "tolerance": tolerance,
    }
