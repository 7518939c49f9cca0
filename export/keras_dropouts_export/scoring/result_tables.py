"""Writes rows of a table and the outputs for them, part after part, as Parquet, CSV or .npz."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from keras_dropouts.arguments import invalid
from keras_dropouts_export.destination import Move
from keras_dropouts_export.destination.ending_signals import held_signals
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.scoring.columns import spread
from keras_dropouts_export.scoring.data_tables import array_of, column_of
from keras_dropouts_export.scoring.model_values import ModelValue


class Chunk(NamedTuple):
    """Some rows: the columns of the table that are kept, and the outputs as columns."""

    kept: pa.Table
    outputs: dict[str, np.ndarray]


class TableLayout:
    """How a table lies on disk: one file."""

    argument = "out"
    refused_suffixes: tuple[str, ...] = ()
    is_folder = False

    def __init__(self, suffix: str) -> None:
        self.suffixes: tuple[str, ...] = (suffix,)
        self.title = f"a {suffix} file"

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the one path that it takes."""
        return (path,)

    def recognizes(self, path: Path) -> bool:
        """Return whether a table may be at `path`."""
        return path.suffix.lower() in self.suffixes

    def foreign(self, path: Path) -> tuple[Path, ...]:
        """Return nothing: there is nothing beside it."""
        return ()

    def moves(self, made: Path, target: Path) -> list[Move]:
        """Return the one rename."""
        return [Move(made, target)]


def output_names(value: ModelValue, suffix: str) -> list[str]:
    """Return the columns that an output becomes: in a CSV file one for each number of a row."""
    if suffix != ".csv" or value.is_scalar or value.size is None:
        return [value.name]
    return spread(value.name, value.size)


def write_table(path: Path, chunks: Iterable[Chunk], where: str) -> None:
    """Write chunks to `path` in the format of its suffix; errors call the table read `where`.

    Raises:
        ValueError: if a column does not fit the format.
    """
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".npz": _write_npz}
    writers[path.suffix.lower()](path, chunks, where)


def _write_parquet(path: Path, chunks: Iterable[Chunk], _: str) -> None:
    writer = None
    try:
        for chunk in chunks:
            table = chunk.kept
            for name, x in chunk.outputs.items():
                table = _with_column(table, name, column_of(x))
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _with_column(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.append_column(name, column) if table.num_columns else pa.table({name: column})


def _write_csv(path: Path, chunks: Iterable[Chunk], where: str) -> None:
    head: list[str] | None = None
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for chunk in chunks:
            columns = dict(_texts(chunk, where))
            if head is None:
                head = list(columns)
                writer.writerow(head)
            elif head != list(columns):
                expected = "rows with as many numbers as the first ones have, for a CSV file"
                raise invalid("data", expected, where, f"Some have {len(columns)} columns.")
            writer.writerows(zip(*columns.values(), strict=True))


def _texts(chunk: Chunk, where: str) -> Iterator[tuple[str, list[str | None]]]:
    for name, column in zip(chunk.kept.column_names, chunk.kept.columns, strict=True):
        if pa.types.is_nested(column.type):
            yield from _spread_texts(name, array_of(name, column, where))
        else:
            yield name, _text(name, column, where)
    for name, x in chunk.outputs.items():
        yield from _spread_texts(name, x)


def _spread_texts(name: str, x: np.ndarray) -> Iterator[tuple[str, list[str | None]]]:
    wide = x.astype("float32") if x.dtype == np.float16 else x
    if wide.ndim == 1:
        yield name, _text(name, pa.array(wide), "")
        return
    flat = wide.reshape(len(wide), int(np.prod(wide.shape[1:])))
    for each, column in zip(spread(name, flat.shape[1]), flat.T, strict=True):
        yield each, _text(each, pa.array(np.ascontiguousarray(column)), "")


def _text(name: str, column: Any, where: str) -> list[str | None]:
    try:
        return pc.cast(column, pa.string()).to_pylist()
    except pa.ArrowException as error:
        expected = f"a column {name!r} that can be written as text, for a CSV file"
        way_out = f"{said_by(error)} Write a .parquet file, or only the outputs."
        raise invalid("data", expected, where, way_out) from error


def _write_npz(path: Path, chunks: Iterable[Chunk], where: str) -> None:
    arrays: dict[str, list[np.ndarray]] = {}
    for chunk in chunks:
        for name, column in zip(chunk.kept.column_names, chunk.kept.columns, strict=True):
            arrays.setdefault(name, []).append(_plain_array(name, column, where))
        for name, x in chunk.outputs.items():
            arrays.setdefault(name, []).append(x)
    try:
        whole = {name: np.concatenate(each) for name, each in arrays.items()}
    except ValueError as error:
        expected = "rows of one shape, for an .npz file"
        raise invalid("data", expected, where, said_by(error)) from error
    with held_signals(), open(path, "wb") as file:  # as in `write_whole`
        np.savez(file, **whole)  # type: ignore[arg-type]


def _plain_array(name: str, column: Any, where: str) -> np.ndarray:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([each or "" for each in column.to_pylist()], dtype=np.str_)
    if pa.types.is_temporal(kind) and not column.null_count:
        return column.to_numpy()
    return array_of(name, column, where)
