"""Defines what `doctor` reports: one diagnosis for each thing that a plain export gets wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from keras_dropouts.html_tables import table, verdict
from keras_dropouts_export.printable import printable, printable_lines


@dataclass(frozen=True)
class Diagnosis:
    """One thing that a plain export gets wrong.

    path: the layer, as `inspect_dropout` shows it; layer: its class; problem: one of `trains`,
    `draws`, `writes`, `unknown op` and `blocked`; why: in one sentence; fix: the way out.
    """

    path: str
    layer: str
    problem: str
    why: str
    fix: str


@dataclass(frozen=True)
class DoctorReport:
    """What `doctor` found, layer by layer in the order that they run.

    Example:
        >>> import keras
        >>> import keras_dropouts_export as kde
        >>> report = kde.doctor(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
        >>> report.ok, report.findings
        (True, ())
    """

    model: str
    findings: tuple[Diagnosis, ...]

    @property
    def ok(self) -> bool:
        """Whether a plain Keras export would serve what `predict` does."""
        return not self.findings

    def __str__(self) -> str:
        if self.ok:
            return f"{printable(self.model)}: a plain Keras export serves what predict does"
        lines = [f"{printable(self.model)}: {len(self.findings)} findings"]
        for each in self.findings:
            lines += [
                f"  {printable(each.path)} ({each.layer}): {each.problem}",
                f"    {printable_lines(each.why)}",
            ]
            lines.append(f"    {each.fix}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the findings as a table for a notebook."""
        head = verdict(
            printable(self.model),
            self.ok,
            "a plain Keras export serves what predict does",
            f"a plain Keras export gets {len(self.findings)} things wrong",
        )
        if self.ok:
            return head
        lines = [
            (printable(each.path), each.layer, each.problem, printable_lines(each.why), each.fix)
            for each in self.findings
        ]
        return head + table(("path", "layer", "problem", "why", "way out"), lines)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        head = {"ok": self.ok, "model": self.model}
        return json.dumps({**head, "findings": [asdict(x) for x in self.findings]}, indent=2)
