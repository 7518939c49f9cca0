"""Runs the self-test that an ONNX file carries on any runtime that is given."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Arrays, unreadable
from keras_dropouts_export.printable import printable

_MULTIPLIER, _MODULUS = 40503, 2**16  # of the formula of floats


def values_of(description: dict[str, Any]) -> np.ndarray:
    """Return the array that an input of a self-test is."""
    shape, dtype = description["shape"], description["dtype"]
    if "values" in description:
        return np.array(description["values"], dtype).reshape(shape)
    index = np.arange(int(np.prod(shape)), dtype="int64")
    numbers = index * _MULTIPLIER % _MODULUS / _MODULUS + description["offset"]
    return numbers.astype(dtype).reshape(shape)


def finite(x: np.ndarray) -> np.ndarray:
    """Return an array with zeros where it holds what is not finite."""
    return np.where(np.isfinite(x), x, 0.0)


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
    total = float(finite(got).sum())
    of_sum = abs(total - wanted["sum"]) / max(got.size, 1) ** 0.5
    return SelfTestRow(name, float(max(np.max(errors, initial=0.0), of_sum)), allowed)
