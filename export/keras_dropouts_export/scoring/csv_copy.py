"""Copies a CSV file, whose rows cannot be found by their numbers, into a Parquet file of text."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from keras_dropouts.arguments import invalid
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.scoring.data_tables import check_names
from keras_dropouts_export.scoring.parts import hash_of, write_whole

_EXPECTED = "a CSV file in UTF-8 with a line of names and as many values in each line"


def parquet_copy(data: Path, where: str, folder: Path) -> Path:
    """Return a Parquet file in `folder` with the text of a CSV file, made where there is none.

    Raises:
        ValueError: if it is no such file.
    """
    copy = folder / f"copy-{hash_of([data])}.parquet"
    if copy.exists():
        return copy
    names = check_names(_header(data, where), where)
    options = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    quoted = pacsv.ParseOptions(newlines_in_values=True)
    try:
        with pacsv.open_csv(data, parse_options=quoted, convert_options=options) as reader:

            def write(file: object) -> None:
                with pq.ParquetWriter(file, reader.schema) as writer:
                    for batch in reader:
                        writer.write_batch(batch)

            write_whole(copy, write)
    except (pa.ArrowException, ValueError) as error:
        raise invalid("data", _EXPECTED, where, f"It is not: {said_by(error)}") from error
    return copy


def _header(data: Path, where: str) -> list[str]:
    try:
        with open(data, encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise invalid("data", _EXPECTED, where, f"It is not: {said_by(error)}") from error
    if not names:
        raise invalid("data", _EXPECTED, where, "It is empty.")
    return names
