"""What is left in an artifact that a served model must not hold."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks import onnx_file, saved_model_folder
from keras_dropouts_export.formats.finding import Finding


@dataclass(frozen=True)
class AuditReport:
    """What `audit` found. `ok` says that there is nothing that must not be there."""

    path: str
    format: str
    operations: int
    random_ops: tuple[Finding, ...]
    state_writes: tuple[Finding, ...]
    unknown_ops: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no random, writing or unknown operation is left."""
        return not (self.random_ops or self.state_writes or self.unknown_ops)

    def __str__(self) -> str:
        lines = [f"audit of {self.path} ({self.format}, {self.operations} operations)"]
        for label, findings in (
            ("random operations", self.random_ops),
            ("state writes", self.state_writes),
            ("unknown operations", self.unknown_ops),
        ):
            lines.append(f"  {label}: {len(findings) or 'none'}")
            lines += [f"    {finding}" for finding in findings]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=2)


def artifact_format(path: str | os.PathLike[str]) -> str:
    """Return "onnx" or "saved_model" for an artifact on disk.

    Raises:
        FileNotFoundError: if nothing is there.
        ValueError: if what is there is neither.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise invalid("path", "a path", path)
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(str(invalid("path", "an existing .onnx file or SavedModel", path)))
    if place.is_file() and place.suffix == ".onnx":
        return "onnx"
    if (place / "saved_model.pb").is_file():
        return "saved_model"
    raise invalid("path", "an .onnx file or a folder that holds a SavedModel", str(path))


def audit(path: str | os.PathLike[str], allow: Iterable[str] = ()) -> AuditReport:
    """Return what is left of training in an artifact: random, writing and unknown operations.

    Every graph inside (If, Loop, local functions) and, in a SavedModel, every function that can be
    called is looked at.

    Args:
        path: An .onnx file or a SavedModel folder.
        allow: Types of operations that are not reported, where one knows why they are there.

    Raises:
        FileNotFoundError: if nothing is there.
        ValueError: if what is there is neither format, or cannot be read.
    """
    kind = artifact_format(path)
    look = onnx_file.findings if kind == "onnx" else saved_model_folder.findings
    return _report(str(path), kind, look(Path(path)), allow)


def audit_graph(graph: Any, name: str, allow: Iterable[str] = ()) -> AuditReport:
    """Return what is left of training in a traced graph of TensorFlow, before it is written."""
    return _report(name, "graph", saved_model_folder.graph_findings(graph), allow)


def _report(path: str, kind: str, found: dict[str, Any], allow: Iterable[str]) -> AuditReport:
    allowed = frozenset(allow)
    kept = {
        key: tuple(each for each in value if each.op not in allowed)
        for key, value in found.items()
        if key != "operations"
    }
    return AuditReport(path, kind, found["operations"], **kept)
