"""Defines what `doctor` reports: one diagnosis for each thing that a plain export gets wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from keras_dropouts.html_tables import table, verdict
from keras_dropouts_export.printable import printable, printable_lines

Severity = Literal["error", "warning"]
Affected = Literal["export", "predict and export"]

SEVERITIES: dict[str, str] = {
    "error": "answers differ from those that are meant, or no runtime loads the file",
    "warning": "answers are right, and the file holds what a served model does not need",
}
PROBLEMS = {
    "trains": "the layer runs as in training",
    "draws": "the layer draws random numbers",
    "writes": "the layer changes variables",
    "unknown op": "the ONNX file holds an operation that no runtime knows",
    "blocked": "there is no ONNX file of the model",
}


@dataclass(frozen=True)
class Diagnosis:
    """One thing that a plain export gets wrong.

    path: the layer, as `inspect_dropout` shows it; layer: its class; problem: one of `trains`,
    `draws`, `writes`, `unknown op` and `blocked`; why: in one sentence; fix: the way out; severity:
    "error" where answers differ or no file loads, "warning" where answers are right; affects:
    "export", or "predict and export" where `model.predict` is no better.
    """

    path: str
    layer: str
    problem: str
    why: str
    fix: str
    severity: Severity = "error"
    affects: Affected = "export"


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
        lines = [f"{printable(self.model)}: {self._counted()}"]
        findings = self._sorted()
        for fix in dict.fromkeys(each.fix for each in findings):
            for each in findings:
                if each.fix == fix:
                    lines += [
                        f"  {each.severity}: {printable(each.path)} ({each.layer}) "
                        f"{each.problem}, in {each.affects}",
                        f"    {printable_lines(each.why)}",
                    ]
            lines.append(f"  way out: {fix}")
        legend = {**SEVERITIES, **PROBLEMS}
        shown = [*(each.severity for each in findings), *(each.problem for each in findings)]
        lines.append("what the words mean:")
        lines += [f"  {word}: {legend[word]}" for word in dict.fromkeys(shown)]
        return "\n".join(lines)

    def _sorted(self) -> list[Diagnosis]:
        """Return errors before warnings, each in the order of the layers."""
        return sorted(self.findings, key=lambda each: list(SEVERITIES).index(each.severity))

    def _counted(self) -> str:
        count = {name: sum(x.severity == name for x in self.findings) for name in SEVERITIES}
        said = [f"{n} {name}{'s' * (n > 1)}" for name, n in count.items() if n]
        return ", ".join(said)

    def _repr_html_(self) -> str:
        """Return the findings as a table for a notebook."""
        head = verdict(
            printable(self.model),
            self.ok,
            "a plain Keras export serves what predict does",
            f"a plain Keras export gets things wrong: {self._counted()}",
        )
        if self.ok:
            return head
        lines = [
            (
                each.severity,
                printable(each.path),
                each.layer,
                each.problem,
                each.affects,
                printable_lines(each.why),
                each.fix,
            )
            for each in self._sorted()
        ]
        columns = ("severity", "path", "layer", "problem", "affects", "why", "way out")
        return head + table(columns, lines)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        head = {"ok": self.ok, "model": self.model}
        return json.dumps({**head, "findings": [asdict(x) for x in self.findings]}, indent=2)
