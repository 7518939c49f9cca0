"""One thing that an audit found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One operation: its type, its name, and the graph or function that it is in."""

    op: str
    name: str
    where: str

    def __str__(self) -> str:
        return f"{self.op} {self.name!r} in {self.where}"
