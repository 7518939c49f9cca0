"""Compares an artifact with its model: the same inputs must give the same outputs, every time."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.artifact_process import Runtime
from keras_dropouts_export.checks.by_layer import (
    LayerError,
    errors_by_layer,
    first_difference,
    plot,
)
from keras_dropouts_export.checks.comparison_html import comparison_html
from keras_dropouts_export.checks.coverage import CoverageRow
from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.checks.one_step import moved_by_one_step, told_apart
from keras_dropouts_export.checks.own_decisions import own_decisions
from keras_dropouts_export.checks.tolerances import TOLERANCE, allowed_for, lowest_precision
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.options import Comparison
from keras_dropouts_export.printable import printable
from keras_dropouts_export.tracing.inference_function import InferenceFunction


@dataclass(frozen=True)
class ParityRow:
    """One output in one run of the artifact, against the model's."""

    output: str
    batch: int
    runtime: str
    max_abs_error: float
    allowed: float
    repeatable: bool
    # Of a row that differs: how far the model's own output moves with its inputs by one step.
    own_change: float | None = None
    # The backend of the model, where that is not this process's TensorFlow.
    model_on: str | None = None
    left_out: int = (
        0  # decisions that were not compared, as the rounding of an output can turn them
    )

    @property
    def ok(self) -> bool:
        """Whether the error is allowed and a second run gave the same."""
        return self.repeatable and self.max_abs_error <= self.allowed


@dataclass(frozen=True)
class ParityReport:
    """What `verify` measured, one row for each output, batch size and runtime.

    Example:

    >>> import json
    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> report = kde.export_onnx(model, "model.onnx").parity
    >>> report.ok, report.max_abs_error < 1e-5, report.first_difference, report.stability
    (True, True, None, '')
    >>> {row["batch"] for row in json.loads(report.to_json())["rows"]}
    {1, 2, 7}
    """

    path: str
    rows: tuple[ParityRow, ...]
    other_seed: tuple[ParityRow, ...] = ()  # Monte-Carlo dropout with another seed than the model's
    layers: tuple[LayerError, ...] = ()  # of an ONNX file that differs
    layer_tolerance: float = 10 * TOLERANCE["float32"][1]
    coverage: tuple[CoverageRow, ...] = ()  # of decisions in the artifact, on labelled data
    _repr_html_ = comparison_html  # a table for notebooks

    @property
    def ok(self) -> bool:
        """Whether the artifact is the model."""
        rows = (*self.rows, *self.other_seed)
        return bool(rows) and all(row.ok for row in rows)

    @property
    def max_abs_error(self) -> float:
        """The largest absolute difference of any output, with the same seed if it takes one."""
        return max((row.max_abs_error for row in self.rows), default=math.nan)

    def __str__(self) -> str:
        verdict = "equal" if self.ok else "NOT equal"
        lines = [
            f"parity of {printable(self.path)}: {verdict}, largest error {self.max_abs_error:.3g}"
        ]
        rows = (*self.rows, *self.other_seed)
        width = max((len(printable(row.output)) for row in rows), default=0)
        for row in rows:
            mark = "ok" if row.ok else "differs" if row.repeatable else "differs between runs"
            mark += f", beside the model on {row.model_on!r}" if row.model_on else ""
            mark += f", {row.left_out} too near to a threshold" if row.left_out else ""
            lines.append(
                f"  {printable(row.output):<{width}}  batch {row.batch}  {row.runtime:<21}  "
                f"error {row.max_abs_error:.3g} of {row.allowed:.3g}  {mark}"
            )
        lines += [f"  {each}" for each in self.coverage]
        if self.stability:
            lines.append(f"  {self.stability}")
        if self.first_difference:
            lines.append(f"  the first layer that differs is {self.first_difference!r}")
        return "\n".join(lines)

    @property
    def stability(self) -> str:
        """What tells an unstable model from a wrong file, empty where nothing differs."""
        here = [row for row in self.rows if not row.ok and row.model_on is None]
        return told_apart((row.own_change, row.allowed) for row in here)

    @property
    def first_difference(self) -> str | None:
        """The path of the first layer whose output differs, None where it is not known."""
        found = first_difference(self.layers, self.layer_tolerance)
        return None if found is None else found.layer

    def plot(self) -> Any:
        """Return a matplotlib figure of the error of each layer.

        Raises:
            ValueError: if the errors of the layers were not measured, as nothing differed.
        """
        if not self.layers:
            raise invalid("report", "the report of an ONNX file that differs", self.path)
        return plot(self.layers, self.layer_tolerance)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        rows, other = (
            [{**asdict(row), "ok": row.ok} for row in each] for each in (self.rows, self.other_seed)
        )
        head = {"ok": self.ok, "path": self.path, "max_abs_error": self.max_abs_error}
        layers = [asdict(each) for each in self.layers]
        where = {
            "stability": self.stability,
            "first_difference": self.first_difference,
            "layers": layers,
            "coverage": [asdict(each) for each in self.coverage],
        }
        return json.dumps({**head, "rows": rows, "other_seed": other, **where}, indent=2)


def compare(
    function: InferenceFunction,
    path: Path,
    comparison: Comparison,
    shown: str | None = None,
    runtime: Runtime | None = None,
) -> ParityReport:
    """Compare an artifact with an inference function; see `keras_dropouts_export.verify`.

    Args:
        shown: The path to name in the report, where that is not `path`.
        runtime: What runs the artifact, None for its format, in this process.
    """
    home = runtime or format_at(path)
    runs = home.runs(path, function)
    rows: list[ParityRow] = []
    precision = lowest_precision(function.model)
    trials = list(trial_inputs(function, comparison.seed))
    models: list[tuple[str | None, list[Arrays]]] = [(None, [each for _, _, each in trials])]
    if function.elsewhere is not None:
        others = [function.elsewhere(inputs) for _, inputs, _ in trials]
        models.append((function.backend_elsewhere, others))
    while runs:  # one runtime at a time: each holds the weights
        name_of_run = next(iter(runs))
        run = runs.pop(name_of_run)
        for i, (batch, inputs, _) in enumerate(trials):
            first, second = run(inputs), run(inputs)
            for backend, answers in models:
                for name, wanted in _of_model(function, answers[i]):
                    same = _identical(first[name], second[name])
                    error = largest_error(first[name], wanted)
                    allowed = allowed_for(wanted, comparison, precision)
                    row = ParityRow(name, batch, name_of_run, error, allowed, same)
                    rows.append(replace(row, model_on=backend))
            rows += decided_rows(function, (first, second), comparison, batch, name_of_run)
        del run
    asked = [inputs for _, inputs, _ in trials]
    apart = format_at(path).answers_apart(path, function, asked, comparison.second_process)
    for name_of_run, found in apart.items():
        for (batch, _, expected), got in zip(trials, found, strict=True):
            for name, wanted in _of_model(function, expected):
                error = largest_error(got[name], wanted)
                allowed = allowed_for(wanted, comparison, precision)
                rows.append(ParityRow(name, batch, name_of_run, error, allowed, repeatable=True))
            rows += decided_rows(function, (got, got), comparison, batch, name_of_run)
    report = ParityReport(shown or str(path), tuple(rows))
    if report.ok:
        return report
    moved = moved_by_one_step(function, trials)
    rows = [row if row.ok else replace(row, own_change=moved.get(row.output)) for row in rows]
    report = replace(report, rows=tuple(rows))
    if all(row.ok for row in rows if row.model_on is None):
        return report  # its layers are those of the model in this process
    layers = errors_by_layer(function, path, trials[-1][1], home)
    return replace(report, layers=layers, layer_tolerance=10 * TOLERANCE[precision][1])


def _of_model(function: InferenceFunction, answer: Arrays) -> list[tuple[str, np.ndarray]]:
    """Return the outputs of the model itself: what is decided of them is compared with NumPy's."""
    return [(name, x) for name, x in answer.items() if name not in function.added]


def decided_rows(
    function: InferenceFunction,
    answers: tuple[Arrays, Arrays],
    comparison: Comparison,
    batch: int,
    runtime: str,
) -> list[ParityRow]:
    """Return a row for each output that an artifact decides of others, for two equal calls."""
    first, second = answers
    found = own_decisions(function, first, comparison, lowest_precision(function.model))
    return [
        ParityRow(
            each.output,
            batch,
            runtime,
            each.error,
            each.allowed,
            _identical(first[each.output], second[each.output]),
            left_out=each.left_out,
        )
        for each in found
    ]


def _identical(left: np.ndarray, right: np.ndarray) -> bool:
    if left.dtype.kind == "O":  # strings, of which an array holds the addresses
        return bool(np.array_equal(left, right))
    return left.shape == right.shape and left.tobytes() == right.tobytes()
