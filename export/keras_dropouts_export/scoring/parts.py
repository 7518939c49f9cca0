"""Scores a range of rows of a table into a file of its own, which a later run finds again.

The name of such a file, a part, is made of its range and of a hash of the numbers that the model
takes from these rows; the folder that it is in has a hash of the model, the seed and the size of
batches. So a part that is there is what the same computation would give again, whatever happened
to the table, the run or the machine meanwhile, and a part that is lost is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from keras_dropouts_export.destination.ending_signals import held_signals
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.scoring.columns import columns_of
from keras_dropouts_export.scoring.data_tables import (
    DataTable,
    NpzTable,
    ParquetTable,
    array_of,
)
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer

_DONE = ".done"  # beside a part: which one the range has, or why it has none


class Span(NamedTuple):
    """A range of rows."""

    first: int
    rows: int

    @property
    def name(self) -> str:
        """What the files of this range begin with."""
        return f"{self.first}-{self.rows}"

    def __str__(self) -> str:
        return f"rows {self.first} to {self.first + self.rows - 1}"


class Outcome(NamedTuple):
    """What became of a range: the name of its part, or why there is none."""

    part: str | None
    error: str | None


def spans_of(rows: int, size: int) -> list[Span]:
    """Return the ranges of at most `size` rows that a table has, in their order."""
    return [Span(first, min(size, rows - first)) for first in range(0, rows, size)]


def open_table(path: Path, where: str) -> DataTable:
    """Open a Parquet file or an .npz archive, which errors call `where`.

    Raises:
        ValueError: if it is damaged.
    """
    return (NpzTable if path.suffix.lower() == ".npz" else ParquetTable)(path, where)


class PartTask:
    """Scores a range of rows into a part; can be pickled and sent to another process.

    data: the table; where: what errors call it; folder: where the parts are; run: a name that no
    other run has, made where it is not given.
    """

    def __init__(
        self, data: Path, where: str, scorer: OnnxScorer, folder: Path, run: str | None = None
    ) -> None:
        self.data, self.where, self.scorer, self.folder = data, where, scorer, folder
        self.run = run or uuid.uuid4().hex
        self._table: DataTable | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("data", "where", "scorer", "folder", "run")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def table(self) -> DataTable:
        """The table, opened when it is first asked for."""
        if self._table is None:
            self._table = open_table(self.data, self.where)
        return self._table

    def check(self) -> None:
        """Raise a clear error if the columns, or the numbers of the first row, do not fit.

        Raises:
            ValueError: naming the column.
        """
        self._columns()
        if self.table.rows:
            self.inputs(Span(0, 1))

    def _columns(self) -> dict[str, list[str]]:
        """Return the columns that each input is made of."""
        names = self.table.names
        return {value.name: columns_of(value, names, self.where) for value in self.scorer.inputs}

    def inputs(self, span: Span) -> dict[str, np.ndarray]:
        """Return what the model takes from a range of rows.

        Raises:
            ValueError: if columns are missing, damaged or do not fit.
        """
        columns = self._columns()
        names = [name for each in columns.values() for name in each]
        rows = self.table.read(*span, names)
        found = {}
        for name, those in columns.items():
            arrays = [array_of(each, rows.column(each), self.where) for each in those]
            found[name] = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)
        return self.scorer.fitted(found)[1]

    def __call__(self, span: Span) -> bool:
        """Score a range, note what became of it, and return whether it has a part."""
        with self._lock:  # an engine may run several threads in a process
            try:
                outcome = Outcome(self._part(span), None)
            except (ValueError, OSError, MemoryError, pa.ArrowException) as error:
                outcome = Outcome(None, f"{span}: {said_by(error)}")
        text = json.dumps(outcome._asdict())
        write_whole(self.folder / f"{span.name}{_DONE}", lambda file: file.write(text.encode()))
        return outcome.error is None

    def _part(self, span: Span) -> str:
        inputs = self.inputs(span)
        name = f"{span.name}-{hash_of(inputs[key] for key in sorted(inputs))}.npz"
        path = self.folder / name
        if not path.exists():
            outputs = self.scorer(inputs, first=span.first)
            arrays = [outputs[value.name] for value in self.scorer.outputs]
            write_whole(path, lambda file: np.savez(file, *arrays))
        return name

    def outputs(self, part: str) -> dict[str, np.ndarray]:
        """Return the outputs that a part holds, by their names.

        Raises:
            OSError: if it is damaged; it is removed then.
        """
        path = self.folder / part
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                names = [value.name for value in self.scorer.outputs]
                return {name: archive[f"arr_{n}"] for n, name in enumerate(names)}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            path.unlink(missing_ok=True)
            said = f"{str(path)!r} was damaged: {said_by(error)}. Run the same command again."
            raise OSError(said) from error

    def forget_outcomes(self) -> None:
        """Remove the notes of an earlier run on what became of each range."""
        for path in self.folder.glob(f"*{_DONE}"):
            path.unlink()

    def rows_done(self) -> int:
        """Return how many rows have a note by now."""
        names = (name for name in os.listdir(self.folder) if name.endswith(_DONE))
        return sum(int(name.removesuffix(_DONE).partition("-")[2]) for name in names)

    def outcomes(self, spans: Sequence[Span]) -> list[Outcome | None]:
        """Return what became of each range, None where nothing did."""
        found: list[Outcome | None] = []
        for span in spans:
            path = self.folder / f"{span.name}{_DONE}"
            found.append(Outcome(**json.loads(path.read_bytes())) if path.exists() else None)
        return found


_held: dict[str, PartTask] = {}  # the task of the last run, by its name


def work(task: PartTask, span: Span) -> bool:
    """Do a range of a task in a worker, which keeps the table and the model open for the next."""
    if task.run not in _held:
        _held.clear()
        _held[task.run] = task
    return _held[task.run](span)


@held_signals()
def write_whole(path: Path, write: Callable[[Any], Any]) -> None:
    """Write a file that is there only when all of it is on the disk.

    A signal waits until it is: a library that is cut off while it writes an archive complains
    about it later, where nobody can catch that.
    """
    made = path.with_name(f"{uuid.uuid4().hex}.new")
    try:
        with open(made, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def hash_of(parts: Iterable[Any]) -> str:
    """Return a hash of arrays, texts and files."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str} {part.shape} ".encode())
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        elif isinstance(part, Path):
            with open(part, "rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
        else:
            digest.update(f"{part!r} ".encode())
    return digest.hexdigest()
