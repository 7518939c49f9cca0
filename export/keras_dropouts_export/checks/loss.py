"""Makes an artifact less precise once it is proven equal, and measures what is lost by it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from keras_dropouts.noise.row_seeds import row_seeds
from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.checks.self_test_maker import remade
from keras_dropouts_export.checks.tolerances import TOLERANCE
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Arrays, Exported, Format
from keras_dropouts_export.options import Comparison
from keras_dropouts_export.printable import printable
from keras_dropouts_export.tracing.inference_function import InferenceFunction
from keras_dropouts_export.tracing.sample_inputs import SampleInputs

# What an output may lose: atol + rtol * (its largest absolute value).
_ALLOWED = {"float16": TOLERANCE["float16"], "int8": (1e-2, 2e-1)}
_ROWS = 32  # that a model is asked for together
_BY_CLASS = ("", "_mean", "_samples")  # endings of outputs that have the classes as their last axis


@dataclass(frozen=True)
class LossRow:
    """One output of the artifact against the model's own, over all inputs that were tried.

    relative: the largest error as a part of the largest absolute value; same_class: the share of
    the decisions along the last axis that stay, None where no class names were given.
    """

    output: str
    max_abs_error: float
    relative: float
    allowed: float
    same_class: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the error is allowed."""
        return self.max_abs_error <= self.allowed


@dataclass(frozen=True)
class LossReport:
    """What an artifact of float16 or int8 lost against the model; `rows` holds one row an output.

    inputs: how many rows of inputs were tried, and whether they were the user's own.
    """

    precision: str
    inputs: str
    rows: tuple[LossRow, ...]

    @property
    def ok(self) -> bool:
        """Whether every error is allowed."""
        return all(row.ok for row in self.rows)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        rows = [{**asdict(row), "ok": row.ok} for row in self.rows]
        head = {"precision": self.precision, "inputs": self.inputs, "ok": self.ok}
        return json.dumps({**head, "rows": rows}, indent=2)

    def __str__(self) -> str:
        lines = [f"loss of {self.precision} against the model, on {self.inputs}"]
        for row in self.rows:
            classes = "" if row.same_class is None else f", same class {row.same_class:.2%}"
            lines.append(
                f"  {printable(row.output)}  largest error {row.max_abs_error:.3g} of "
                f"{row.allowed:.3g} ({row.relative:.2%} of the largest value){classes}"
            )
        return "\n".join(lines)


def lower(
    exported: Exported,
    path: Path,
    layout: Format,
    comparison: Comparison,
    representative: SampleInputs | None,
) -> LossReport:
    """Make the artifact at `path` less precise, and return what was lost.

    Raises:
        ExportError: if it cannot be done, the numbers that are drawn change, or more is lost than
            `comparison` allows.
    """
    function = exported.served
    chosen = None if representative is None else _chosen(exported, representative)
    trials = [inputs for _, inputs, _ in trial_inputs(function, comparison.seed)]
    drawn = layout.drawn_in(path, trials[-1])
    layout.lower(path, None if chosen is None else iter(list(_batches(chosen, function))))
    again = layout.drawn_in(path, trials[-1])
    same = all(
        name in again and np.array_equal(again[name], numbers) for name, numbers in drawn.items()
    )
    if not same:
        raise ExportError(f"The masks of the file in {layout.lowered_to} are not the model's.")
    asked = trials if chosen is None else list(_batches(chosen, function))
    count = sum(max(len(x) if x.ndim else 1 for x in inputs.values()) for inputs in asked)
    found = _rows(exported, path, layout, comparison, asked)
    whose = "random inputs" if chosen is None else "the representative inputs"
    report = LossReport(str(layout.lowered_to), f"{count} rows of {whose}", found)
    if not report.ok:
        raise ExportError(
            f"The file would lose more than is allowed.\n{report}\nAllow more with `atol` or "
            f"`rtol`, give `representative_inputs` of your data, or export without it."
        )
    if exported.self_test is not None:
        run = next(iter(layout.runs(path, function).values()))
        layout.put_self_test(path, remade(exported, run, "float16"))
    return report


def allowed_in(precision: str | None, comparison: Comparison) -> Comparison:
    """Return a comparison with the tolerances of what an artifact was made less precise to.

    Those that the user gave stay.
    """
    if precision not in _ALLOWED:
        return comparison
    atol, rtol = _ALLOWED[precision]
    return replace(
        comparison,
        atol=atol if comparison.atol is None else comparison.atol,
        rtol=rtol if comparison.rtol is None else comparison.rtol,
    )


def _chosen(exported: Exported, representative: SampleInputs) -> Arrays:
    plain = exported.plain
    arrays = representative.by_name(plain.signature)
    counts = {len(each) for each in arrays.values() if each.ndim}
    if exported.served.takes_seeds:
        name = exported.served.inputs[-1].name
        arrays[name] = row_seeds(0, exported.served.inputs[-1].shape[0] or max(counts))
    return arrays


def _batches(arrays: Arrays, function: InferenceFunction) -> Iterator[Arrays]:
    """Yield the rows in batches of a size that the artifact takes."""
    fixed = {each.shape[0] for each in function.inputs if each.shape}
    counts = {len(each) for each in arrays.values() if each.ndim}
    if fixed != {None} or len(counts) != 1:
        yield arrays
        return
    for first in range(0, max(counts), _ROWS):
        yield {
            name: each[first : first + _ROWS] if each.ndim else each
            for name, each in arrays.items()
        }


def _rows(
    exported: Exported, path: Path, layout: Format, comparison: Comparison, asked: list[Arrays]
) -> tuple[LossRow, ...]:
    function = exported.served
    expected = [function.expected(inputs) for inputs in asked]
    allowed = allowed_in(layout.lowered_to, comparison)
    atol, rtol = allowed.atol or 0.0, allowed.rtol or 0.0
    classes = {f"{name}{ending}" for name in exported.labels for ending in _BY_CLASS}
    errors: dict[str, float] = {}
    same: dict[str, list[np.ndarray]] = {name: [] for name in classes}
    runs = layout.runs(path, function)
    while runs:  # one runtime at a time: each holds the weights
        run = runs.pop(next(iter(runs)))
        for inputs, wanted in zip(asked, expected, strict=True):
            for name, got in run(inputs).items():
                error = largest_error(got, wanted[name])
                errors[name] = max(errors.get(name, 0.0), error)
                if name in classes:
                    same[name].append(_decided(got) == _decided(wanted[name]))
    found = []
    for name, error in errors.items():
        size = max(_largest(each[name]) for each in expected)
        kept = float(np.mean(np.concatenate(same[name]))) if same.get(name) else None
        relative = error / size if size else (0.0 if not error else math.inf)
        found.append(LossRow(name, error, relative, atol + rtol * size, kept))
    return tuple(found)


def _decided(values: np.ndarray) -> np.ndarray:
    """Return the class of each row, which for one unit is whether it is above one half."""
    if values.shape[-1] == 1:
        return (values > 0.5).reshape(-1)
    return np.asarray(values.argmax(axis=-1)).reshape(-1)


def _largest(values: np.ndarray) -> float:
    finite = np.abs(values.astype("float64"))
    return float(finite[np.isfinite(finite)].max(initial=0.0))
