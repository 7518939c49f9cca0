"""Reads Parquet files, CSV files and .npz archives by ranges of rows."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Collection, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from keras_dropouts.arguments import invalid
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.scoring.columns import shown

SUFFIXES = (".parquet", ".csv", ".npz")
_DAMAGED = (  # what NumPy raises for files that are damaged, and for objects of Python
    *(ValueError, EOFError, OSError, MemoryError, NotImplementedError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
)


class DataTable(Protocol):
    """A table on disk, read by ranges of rows."""

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""

    @property
    def rows(self) -> int:
        """How many rows it has."""

    def read(self, first: int, count: int, names: Collection[str]) -> pa.Table:
        """Return rows of some columns."""


def array_of(name: str, column: Any, where: str) -> np.ndarray:
    """Return a column of a table as an array: lists, in lists, become further dimensions.

    Text is read as numbers.

    Raises:
        ValueError: naming the column, if a value is missing or no number, or lists of a row have
            another length than those of the others.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # of no chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    sizes = [len(array)]
    while _is_list(array.type):
        _check_whole(name, array, where)
        lengths = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(lengths) > 1:
            said = f"They have the lengths {sorted(lengths)[:8]}."
            raise invalid("data", f"lists of one length in column {name!r}", where, said)
        sizes.append(lengths[0] if lengths else 0)
        array = array.flatten()
    _check_whole(name, array, where)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = _parsed(name, array, where)
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "biuf":
        raise invalid("data", f"numbers in column {name!r}", where, f"It holds {column.type}.")
    return values.reshape(sizes)


def _is_list(kind: Any) -> bool:
    test = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(each(kind) for each in test)


def _check_whole(name: str, array: Any, where: str) -> None:
    if array.null_count:
        raise invalid(
            "data",
            f"a number in each row of column {name!r}",
            where,
            f"Values are missing: {array.null_count} of {len(array)} in a part of it.",
        )


def _parsed(name: str, array: Any, where: str) -> Any:
    trimmed = pc.utf8_trim_whitespace(array)
    for kind in (pa.int64(), pa.float64()):
        try:
            return pc.cast(trimmed, kind)
        except pa.ArrowInvalid as error:
            said = str(error)
    text = said.removeprefix("Failed to parse string: ").split(" as a scalar")[0]
    raise invalid("data", f"numbers in column {name!r}", where, f"It holds the text {text}.")


class ParquetTable:
    """A Parquet file. Of its groups of rows the one that was read last is kept."""

    def __init__(self, path: Path, where: str) -> None:
        self.path, self.where = path, where
        with self._readable():
            self._file = pq.ParquetFile(path, memory_map=False)
        self.schema = self._file.schema_arrow
        self.names = check_names(self.schema.names, where)
        about = self._file.metadata
        counts = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
        self._starts = np.cumsum([0, *counts])
        self.rows = int(self._starts[-1])
        self._kept: tuple[Any, Any] = (None, None)

    def read(self, first: int, count: int, names: Collection[str]) -> pa.Table:
        """Return rows of some columns.

        Raises:
            ValueError: if the file is damaged there.
        """
        names = list(names)
        if not count:
            return self.schema.empty_table().select(names)
        low = int(np.searchsorted(self._starts, first, side="right")) - 1
        high = int(np.searchsorted(self._starts, first + count, side="left"))
        parts = []
        for group in range(low, high):
            begin = max(first - int(self._starts[group]), 0)
            end = min(first + count, int(self._starts[group + 1])) - int(self._starts[group])
            parts.append(self._group(group, names).slice(begin, end - begin))
        return pa.concat_tables(parts)

    def _group(self, group: int, names: list[str]) -> pa.Table:
        if self._kept[0] != (group, names):
            rows = f"rows {self._starts[group]} to {self._starts[group + 1] - 1}"
            with self._readable(rows):
                rows_of_group = self._file.read_row_group(group, columns=names)
            self._kept = (group, names), rows_of_group.select(names)
        return self._kept[1]

    @contextmanager
    def _readable(self, rows: str = "") -> Any:
        try:
            yield
        except (pa.ArrowException, *_DAMAGED) as error:
            part = f"In {rows} it" if rows else "It"
            said = f"{part} cannot be read, as if it was cut off or damaged: {said_by(error)}"
            raise invalid("data", "a whole Parquet file", self.where, said) from error


class NpzTable:
    """An .npz archive of arrays with a row each along their first dimension, in the memory."""

    def __init__(self, path: Path, where: str) -> None:
        expected = "an .npz file of arrays, as numpy.savez writes it"
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                self.arrays = {name: np.asarray(archive[name]) for name in archive.files}
        except _DAMAGED as error:
            said = f"It cannot be read: {said_by(error)}"
            raise invalid("data", expected, where, said) from error
        counts = {name: len(x) if x.ndim else None for name, x in self.arrays.items()}
        if len(set(counts.values())) != 1 or None in counts.values():
            expected = "an .npz file of arrays of the same number of rows"
            raise invalid("data", expected, where, f"Its arrays have {counts} rows.")
        self.names = check_names(list(self.arrays), where)
        self.rows = next(iter(counts.values())) or 0

    def read(self, first: int, count: int, names: Collection[str]) -> pa.Table:
        """Return rows of some columns."""
        rows = slice(first, first + count)
        return pa.table({name: column_of(self.arrays[name][rows]) for name in names})


def column_of(array: np.ndarray) -> Any:
    """Return an array as a column: of lists, in lists, where it has more dimensions than rows."""
    if array.ndim <= 1:
        return pa.array(array)
    values = pa.array(np.ascontiguousarray(array).reshape(-1))
    for axis in range(array.ndim - 1, 0, -1):
        count, size = int(np.prod(array.shape[:axis])), array.shape[axis]
        values = pa.ListArray.from_arrays(np.arange(count + 1, dtype="int32") * size, values)
    return values


def check_names(names: Sequence[str], where: str) -> list[str]:
    """Return the names of columns if no two are the same.

    Raises:
        ValueError: if two are.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        expected = "a table in which each column has a name of its own"
        raise invalid("data", expected, where, f"Several are called {shown(twice)}.")
    return list(names)


def check_kind(path: str | os.PathLike[str], argument: str) -> str:
    """Return the suffix of a table's path, if there is such a kind.

    Raises:
        ValueError: if there is not.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise invalid(argument, "a path", path)
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise invalid(argument, f"a file name that ends in {', '.join(SUFFIXES)}", os.fspath(path))
    return suffix
