"""Defines what an audit finds in an artifact: single operations, sorted by what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from keras_dropouts_export.printable import printable


@dataclass(frozen=True)
class Finding:
    """One operation: its type, its name, and the graph or function that it is in."""

    op: str
    name: str
    where: str

    def __str__(self) -> str:
        return f"{printable(self.op)} {self.name!r} in {printable(self.where)}"


@dataclass(frozen=True)
class RuntimeFinding:
    """An operation that a runtime refuses or computes wrongly, in which version, and how."""

    finding: Finding
    version: str
    reason: str

    @property
    def op(self) -> str:
        """The type of the operation."""
        return self.finding.op

    def __str__(self) -> str:
        return f"{self.finding}: {self.reason} ({self.version})"


@dataclass(frozen=True)
class Findings:
    """All that must not be in a served model, and the number of operations that were looked at.

    random_ops: draws of random numbers; state_writes: writes to variables; unknown_ops:
    operations that the format, or the runtime that serves it, does not have; host_ops: operations
    that reach outside the artifact, for files, Python functions, the screen or the clock of the
    machine that serves.
    """

    operations: int
    random_ops: tuple[Finding, ...] = ()
    state_writes: tuple[Finding, ...] = ()
    unknown_ops: tuple[Finding, ...] = ()
    host_ops: tuple[Finding, ...] = ()
