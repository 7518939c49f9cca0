"""Reports what an artifact, or a traced graph, holds that a served model must not hold."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from keras_dropouts.html_tables import table, verdict
from keras_dropouts_export.destination import recover
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.finding import Finding, Findings, RuntimeFinding
from keras_dropouts_export.formats.saved_model.saved_model_audit import graph_findings
from keras_dropouts_export.printable import printable


@dataclass(frozen=True)
class AuditReport:
    """What `audit` found. `ok` says that there is nothing that must not be there.

    `runtime_ops` holds what the `runtime` that was asked about is known to refuse or to compute
    wrongly, of each kind the first operation.

    Example:

    >>> import json
    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> report = kde.export_onnx(model, "model.onnx").audit
    >>> report.ok, report.random_ops, json.loads(report.to_json())["format"]
    (True, (), 'onnx')
    """

    path: str
    format: str
    operations: int
    random_ops: tuple[Finding, ...]
    state_writes: tuple[Finding, ...]
    unknown_ops: tuple[Finding, ...]
    host_ops: tuple[Finding, ...]
    runtime: str | None = None
    runtime_ops: tuple[RuntimeFinding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no operation is left that a served model must not have."""
        everywhere = self.random_ops or self.state_writes or self.unknown_ops or self.host_ops
        return not (everywhere or self.runtime_ops)

    @property
    def _by_label(self) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
        return (
            ("random operations", self.random_ops),
            ("state writes", self.state_writes),
            ("unknown operations", self.unknown_ops),
            ("operations that reach outside", self.host_ops),
        )

    def __str__(self) -> str:
        lines = [f"audit of {printable(self.path)} ({self.format}, {self.operations} operations)"]
        for label, findings in self._by_label:
            lines.append(f"  {label}: {len(findings) or 'none'}")
            lines += [f"    {finding}" for finding in findings]
        if self.runtime is not None:
            lines.append(f"  limits of {self.runtime}: {len(self.runtime_ops) or 'none known'}")
            lines += [f"    {finding}" for finding in self.runtime_ops]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the findings as a table for a notebook."""
        title = f"audit of {printable(self.path)} ({self.format}, {self.operations:,} operations)"
        found = [(label, "; ".join(map(str, each)) or "none") for label, each in self._by_label]
        if self.runtime is not None:
            limits = "; ".join(map(str, self.runtime_ops)) or "none known"
            found.append((f"limits of {self.runtime}", limits))
        return verdict(title, self.ok) + table(("what must not be there", "found"), found)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=2)


def audit(
    path: str | os.PathLike[str], allow: Iterable[str] = (), runtime: str | None = None
) -> AuditReport:
    """Return what an artifact holds that must not be served.

    These are operations that draw random numbers, write state, are unknown to the format, or reach
    outside the artifact: for files, Python functions, the screen or the clock.

    Every graph inside (If, Loop, local functions) and, in a SavedModel, every function that can be
    called is looked at.

    Args:
        path: An artifact of any format that this package exports.
        allow: Types of operations that are not reported, where one knows why they are there.
        runtime: None, or of an .onnx file the runtime that is to serve it: "onnxruntime",
            "onnxruntime-node", "onnxruntime-web-wasm", "onnxruntime-web-webgpu", "openvino",
            "opencv", "tract", "tract-fixed-shapes" (with the size of every dimension told) or
            "onnx-reference". The report then names what that runtime was seen to refuse, or to
            compute wrongly without a word; docs/runtimes.md shows on which files. What it does not
            name was not seen to fail, which is no promise: run the file's self-test there.

    Raises:
        FileNotFoundError: if nothing is there.
        ValueError: if what is there is of no such format, or cannot be read, or if `runtime` is
            none of these, or is given for another format.

    Example:

    >>> import onnx
    >>> import keras_dropouts_export as kde
    >>> output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    >>> draw = onnx.helper.make_node("RandomNormal", [], ["y"], name="noise", shape=[2])
    >>> graph = onnx.helper.make_graph([draw], "graph", [], [output])
    >>> onnx.save(onnx.helper.make_model(graph), "g.onnx")
    >>> [str(finding) for finding in kde.audit("g.onnx").random_ops]
    ["RandomNormal 'noise' in the main graph"]
    >>> kde.audit("g.onnx", runtime="openvino").runtime_ops
    ()
    """
    if isinstance(path, (str, os.PathLike)):
        recover(Path(os.path.abspath(path)))
    found = format_at(path)
    limits = () if runtime is None else found.runtime_findings(Path(path), runtime)
    report = _report(str(path), found.name, found.findings(Path(path)), allow)
    allowed = frozenset(allow)
    kept = tuple(each for each in limits if each.op not in allowed)
    return replace(report, runtime=runtime, runtime_ops=kept)


def audit_graph(graph: Any, name: str, allow: Iterable[str] = ()) -> AuditReport:
    """Return what is left of training in a traced graph of TensorFlow, before it is written."""
    return _report(name, "graph", graph_findings(graph), allow)


def _report(path: str, kind: str, found: Findings, allow: Iterable[str]) -> AuditReport:
    allowed = frozenset(allow)

    def kept(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        return tuple(each for each in findings if each.op not in allowed)

    return AuditReport(
        path=path,
        format=kind,
        operations=found.operations,
        random_ops=kept(found.random_ops),
        state_writes=kept(found.state_writes),
        unknown_ops=kept(found.unknown_ops),
        host_ops=kept(found.host_ops),
    )
