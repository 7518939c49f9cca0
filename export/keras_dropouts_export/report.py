"""Defines the report of an export, which prints for a person and converts to JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from keras_dropouts.html_tables import folded, table, verdict
from keras_dropouts_export.checks.audit import AuditReport
from keras_dropouts_export.checks.loss import LossReport
from keras_dropouts_export.checks.parity import ParityReport
from keras_dropouts_export.printable import printable
from keras_dropouts_export.provenance import Rate
from keras_dropouts_export.tracing.inference_function import TensorInfo


@dataclass(frozen=True)
class ExportReport:
    """What was written, what is not in it, and how it was proven to be the model.

    Example:

    >>> import json
    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dropout(0.5, name="drop")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "model.onnx")
    >>> report.ok, report.format, [(row.path, row.rate) for row in report.stripped]
    (True, 'onnx', [('drop', 0.5)])
    >>> json.loads(report.to_json())["options"]
    {'opset': 18, 'dtype': None, 'quantize': None}
    """

    path: str
    format: str
    description: str  # of the format and its options
    options: dict[str, Any]  # that the format alone has: {"opset": 18}
    bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    stripped: tuple[Rate, ...]
    audit: AuditReport
    parity: ParityReport
    versions: dict[str, str]
    samples: int | None = None  # of Monte-Carlo dropout, which is kept then
    # By the path of a layer, why the rows of a batch share what it draws, by the first row's seed.
    shared_draws: dict[str, str] = field(default_factory=dict)
    loss: LossReport | None = None  # of an artifact of float16 or int8, against the model

    @property
    def ok(self) -> bool:
        """Whether the artifact was verified; always so for a report that an export returned."""
        return self.audit.ok and self.parity.ok

    def __str__(self) -> str:
        lines = head_of(self)
        lines += [
            f"    {printable(row.path)} ({row.layer}, rate {row.rate:.4g})" for row in self.stripped
        ]
        if self.shared_draws:
            lines.append("  rows of a batch share what these draw, by the seed of the first row")
            lines += [f"    {printable(k)}: {reason}" for k, reason in self.shared_draws.items()]
        parts = [self.audit, self.parity, *([self.loss] if self.loss else [])]
        lines += [f"  {line}" for part in parts for line in str(part).splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the report for a notebook: the summary, and all of it when it is clicked."""
        kept = f"kept, for {self.samples} samples" if self.samples else "taken out"
        lines = [
            ("format", self.description),
            ("size", f"{self.bytes:,} bytes"),
            ("inputs", "; ".join(printable(each) for each in self.inputs)),
            ("outputs", "; ".join(printable(each) for each in self.outputs)),
            (f"dropout {kept}", len(self.stripped)),
            ("largest difference from the model", f"{self.parity.max_abs_error:.3g}"),
        ]
        head = verdict(printable(self.path), self.ok, "verified", "not verified")
        return head + table(("what", "value"), lines) + folded("All of the report", str(self))

    def to_json(self) -> str:
        """Return the report as JSON text."""
        parts = {
            "audit": json.loads(self.audit.to_json()),
            "parity": json.loads(self.parity.to_json()),
        }
        if self.loss is not None:
            parts["loss"] = json.loads(self.loss.to_json())
        return json.dumps({"ok": self.ok, **asdict(self), **parts}, indent=2)


def head_of(report: ExportReport) -> list[str]:
    """Return the first lines of a report: the artifact, its inputs and outputs, and its dropout."""
    what = f"kept, for {report.samples} samples" if report.samples else "taken out"
    return [
        f"{printable(report.path)} ({report.description}, {report.bytes:,} bytes)",
        *(f"  input   {printable(each)}" for each in report.inputs),
        *(f"  output  {printable(each)}" for each in report.outputs),
        f"  dropout {what}: {len(report.stripped) or 'none'}",
    ]
