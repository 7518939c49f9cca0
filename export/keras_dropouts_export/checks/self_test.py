"""Makes the self-test that an ONNX file carries, and runs it on any runtime that is given."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.tolerances import TOLERANCE, allowed_for, lowest_precision
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Arrays, Exported, unreadable
from keras_dropouts_export.options import Comparison
from keras_dropouts_export.printable import printable

ROWS = 2
# Of the rows, over and over: one beyond 32 bits and one below zero, so that a runtime that computes
# them in 32 bits is found; within 2**53, so that languages whose numbers are doubles read them.
ROW_SEEDS = (2**40 + 5, -3)
_STORED = 256  # numbers of an output; of a larger one they are spread over it
_MULTIPLIER, _MODULUS = 40503, 2**16
_LOOSER = 10.0  # than the comparison of an export: other runtimes round in other orders


def made_for(exported: Exported) -> str | None:
    """Return the self-test of an export as JSON text, None where its outputs are drawn unseeded.

    It holds inputs, two rows where the batch is dynamic, seeds included, and what the model itself
    makes of them. Floats are given by a formula that any language computes exactly; see
    docs/self_test.md.
    """
    if exported.sampling is not None and not exported.sampling.seeded:
        return None
    function = exported.served
    _, drawn, _ = next(trial_inputs(function, batch_sizes=(ROWS,)))
    if exported.sampling is not None:
        seed = function.inputs[-1].name
        drawn = {**drawn, seed: np.resize(np.array(ROW_SEEDS, "int64"), drawn[seed].shape)}
    described = {name: _described(x, function.chosen is None) for name, x in drawn.items()}
    try:
        outputs = function.expected({name: values_of(each) for name, each in described.items()})
    except Exception:  # noqa: BLE001  (a model may take the numbers that were drawn and no others)
        outputs = {}
    if not (outputs and all(_has_numbers(x) for x in outputs.values())):
        described = {name: _described(x, by_formula=False) for name, x in drawn.items()}
        outputs = function.expected(drawn)
    atol, rtol = (_LOOSER * each for each in TOLERANCE[lowest_precision(function.model)])
    outputs = _certain(exported, outputs)
    found = {name: _expected(x.astype("float64"), atol, rtol) for name, x in outputs.items()}
    return json.dumps({"inputs": described, "outputs": found})


def _certain(exported: Exported, outputs: Arrays) -> Arrays:
    """Return the outputs without decisions that the rounding of another runtime may turn."""
    function = exported.served
    if function.decided is None:
        return outputs
    precision = lowest_precision(function.model)
    allowed = {name: allowed_for(x, Comparison(), precision) for name, x in outputs.items()}
    turned = function.decided.open_to_rounding(outputs, allowed)
    return {name: x for name, x in outputs.items() if not turned.get(name, np.zeros(1)).any()}


def remade(text: str, run: Callable[[Arrays], Arrays], precision: str) -> str:
    """Return a self-test with the same inputs, of an artifact that is less precise than its model.

    What is expected is what `run` answers, within the tolerance of `precision`.
    """
    test = json.loads(text)
    answers = run({name: values_of(each) for name, each in test["inputs"].items()})
    atol, rtol = (_LOOSER * each for each in TOLERANCE[precision])
    test["outputs"] = {
        name: _expected(answers[name].astype("float64"), atol, rtol) for name in test["outputs"]
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


def values_of(description: dict[str, Any]) -> np.ndarray:
    """Return the array that an input of a self-test is."""
    shape, dtype = description["shape"], description["dtype"]
    if "values" in description:
        return np.array(description["values"], dtype).reshape(shape)
    index = np.arange(int(np.prod(shape)), dtype="int64")
    numbers = index * _MULTIPLIER % _MODULUS / _MODULUS + description["offset"]
    return numbers.astype(dtype).reshape(shape)


def _expected(values: np.ndarray, atol: float, rtol: float) -> dict[str, Any]:
    finite = np.where(np.isfinite(values), values, 0.0)
    stride = max(1, -(-values.size // _STORED))
    shown = [float(x) if np.isfinite(x) else None for x in values.reshape(-1)[::stride]]
    largest = float(np.max(np.abs(finite), initial=0.0))
    return {
        "shape": list(values.shape),
        "stride": stride,
        "values": shown,
        "sum": float(finite.sum()),
        "tolerance": atol + rtol * largest,
    }


@dataclass(frozen=True)
class SelfTestRow:
    """One output of a runtime against what the file says of it."""

    output: str
    max_abs_error: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether the error is allowed."""
        return self.max_abs_error <= self.allowed


@dataclass(frozen=True)
class SelfTestReport:
    """What `self_test` found, one row for each output.

    Example:

    >>> import keras
    >>> import onnxruntime
    >>> import keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="score")])
    >>> report = kde.export_onnx(model, "score.onnx")
    >>> session = onnxruntime.InferenceSession("score.onnx")
    >>> found = kde.self_test("score.onnx", lambda x: {"score": session.run(["score"], x)[0]})
    >>> found.ok, [row.output for row in found.rows]
    (True, ['score'])
    """

    path: str
    rows: tuple[SelfTestRow, ...]

    @property
    def ok(self) -> bool:
        """Whether every output is what the file says."""
        return all(row.ok for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def to_json(self) -> str:
        """Return the report as JSON text."""
        rows = [{**asdict(row), "ok": row.ok} for row in self.rows]
        return json.dumps({"path": self.path, "ok": self.ok, "rows": rows}, indent=2)

    def __str__(self) -> str:
        head = f"self-test of {printable(self.path)}: {'passed' if self.ok else 'FAILED'}"
        lines = [
            f"  {printable(row.output)}  error {row.max_abs_error:.3g} of {row.allowed:.3g}  "
            f"{'ok' if row.ok else 'differs'}"
            for row in self.rows
        ]
        return "\n".join([head, *lines])


def self_test(path: str | os.PathLike[str], run: Callable[[Arrays], Arrays]) -> SelfTestReport:
    """Ask a runtime what the artifact at `path` gives for the inputs of its own self-test.

    A runtime that computes integers of 64 bits in 32, or leaves an operation out, loads a file and
    answers wrongly without a word; this finds it when a server starts. The test is in the file's
    metadata, under `keras_dropouts.self_test`, so another language can run it, too.

    Args:
        path: An .onnx file that `export_onnx` wrote.
        run: What calls the runtime: takes a dict of NumPy arrays by the names of the inputs and
            returns a dict of arrays by the names of the outputs.

    Returns:
        A `SelfTestReport`, which is true where all outputs are right.

    Raises:
        ValueError: if there is no such file, it holds no self-test (as one whose dropout takes no
            seed), or `run` returns other outputs.

    Example:

    >>> import keras
    >>> import onnxruntime
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx", samples=8)
    >>> session = onnxruntime.InferenceSession("score.onnx")
    >>> names = [output.name for output in session.get_outputs()]
    >>> kde.self_test("score.onnx", lambda x: dict(zip(names, session.run(names, x)))).ok
    True
    """
    if not callable(run):
        raise invalid("run", "a function from a dict of inputs to a dict of outputs", run)
    text = format_at(path).self_test_in(Path(path))
    if text is None:
        expected = "an .onnx file that holds a self-test, as `export_onnx` writes them"
        raise invalid("path", expected, os.fspath(path))
    try:
        test = json.loads(text)
        inputs = {name: values_of(each) for name, each in test["inputs"].items()}
        wanted = {name: dict(each) for name, each in test["outputs"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(Path(path), "self-test", "it is damaged.") from error
    answers = run(inputs)
    missing = sorted(set(wanted) - set(answers))
    if missing:
        raise invalid("run", f"a function that returns the outputs {missing}", sorted(answers))
    rows = (_row(name, answers[name], each) for name, each in wanted.items())
    return SelfTestReport(os.fspath(path), tuple(rows))


def _row(name: str, answer: Any, wanted: dict[str, Any]) -> SelfTestRow:
    got = np.asarray(answer).astype("float64")
    allowed = float(wanted["tolerance"])
    if list(got.shape) != wanted["shape"]:
        return SelfTestRow(name, float("inf"), allowed)
    shown = got.reshape(-1)[:: wanted["stride"]]
    known = np.array([np.nan if x is None else x for x in wanted["values"]], "float64")
    if not np.array_equal(np.isfinite(shown), np.isfinite(known)):
        return SelfTestRow(name, float("inf"), allowed)
    errors = np.abs(shown - known)[np.isfinite(known)]
    # What is not stored shows in the sum, where errors of rounding partly cancel.
    total = float(got[np.isfinite(got)].sum())
    of_sum = abs(total - wanted["sum"]) / max(got.size, 1) ** 0.5
    return SelfTestRow(name, float(max(np.max(errors, initial=0.0), of_sum)), allowed)
