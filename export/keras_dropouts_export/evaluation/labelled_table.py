"""Reads a table with labels on disk, and has an ONNX file predict its rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.scoring.columns import shown
from keras_dropouts_export.scoring.csv_copy import parquet_copy
from keras_dropouts_export.scoring.data_tables import array_of
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer
from keras_dropouts_export.scoring.parts import PartTask, spans_of
from keras_dropouts_export.scoring.table_scoring import existing_table

LABELS = ("y", "label", "labels")  # looked for where no name is given
_ROWS = 2**14  # that are read at once

Progress = Callable[[int, int], None]


class LabelledTable:
    """A table with a column for each input of a model and one of labels, or several.

    Raises:
        ValueError: if columns are missing, or there are no rows.
    """

    def __init__(self, task: PartTask, labels: str | None) -> None:
        self._task, self._scorer = task, task.scorer
        self.rows = task.table.rows
        inputs = {value.name for value in self._scorer.inputs}
        if labels in inputs:
            raise invalid("labels", "a column that the model does not take", labels)
        self._labels = _label_columns(task.table.names, labels, inputs, task.where)
        if not self.rows:
            raise invalid("data", "a table with at least one row", task.where)
        task.check()

    def labels(self) -> np.ndarray:
        """Return the labels of all rows, of shape (rows, ...).

        Raises:
            ValueError: if some are missing or no numbers.
        """
        rows = self._task.table.read(0, self.rows, self._labels)
        found = [array_of(name, rows.column(name), self._task.where) for name in self._labels]
        return found[0] if len(found) == 1 else np.stack(found, axis=1)

    def outputs(self, progress: Progress | None = None) -> dict[str, np.ndarray]:
        """Return what the model gives for all rows, by the names of its outputs.

        Raises:
            ValueError: if columns do not fit the model, or it fails.
        """
        parts = []
        for span in spans_of(self.rows, _ROWS):
            parts.append(self._scorer(self._task.inputs(span), first=span.first))
            if progress is not None:
                progress(span.first + span.rows, self.rows)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@contextmanager
def opened(
    data: str | os.PathLike[str], scorer: OnnxScorer, labels: str | None
) -> Iterator[LabelledTable]:
    """Open a .parquet, .csv or .npz file.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, or it is none.
    """
    source = existing_table(data)
    with tempfile.TemporaryDirectory() as folder:
        copied = source.suffix.lower() == ".csv"
        path = parquet_copy(source, str(source), Path(folder)) if copied else source
        yield LabelledTable(PartTask(path, str(source), scorer, Path(folder)), labels)


def _label_columns(
    names: Sequence[str], labels: str | None, inputs: set[str], where: str
) -> list[str]:
    """Return the columns of the labels: the one of that name, or `y_0`, `y_1` ... for `y`."""
    for name in LABELS if labels is None else (labels,):
        if name in names and name not in inputs:
            return [name]
        spread: list[str] = []
        while f"{name}_{len(spread)}" in names:
            spread.append(f"{name}_{len(spread)}")
        if spread and name not in inputs:
            return spread
    wanted = " or ".join(repr(name) for name in (LABELS if labels is None else (labels,)))
    way_out = f"Its columns are {shown(names)}."
    if labels is None:
        way_out += " Name that of the labels: `labels=`, on the command line `--labels`."
    raise invalid("data", f"a table with the labels in a column {wanted}", where, way_out)
