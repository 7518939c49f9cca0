"""Says what scoring a table did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps

from keras_dropouts_export.printable import printable


@dataclass(frozen=True)
class ScoreReport:
    """What `score_file` did: where the result is, its rows and outputs, and the ranges of rows.

    reused: how many of the ranges an earlier run had scored.
    """

    path: str
    rows: int
    outputs: tuple[str, ...]
    ranges: int
    reused: int

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        names = ", ".join(printable(name) for name in self.outputs)
        text = f"{printable(self.path)}: {self.rows:,} rows with the outputs {names}"
        if self.reused:
            text += f"; {self.reused:,} of {self.ranges:,} parts were there from an earlier run"
        return text
