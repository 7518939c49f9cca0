"""Offers `score_file`: a table on disk scored in ranges of rows, here or on an engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_dropouts.arguments import check_flag, check_integer, invalid
from keras_dropouts_export.destination import (
    check_destination,
    put_in_place,
    workplace,
)
from keras_dropouts_export.errors import ScoringError
from keras_dropouts_export.scoring import engines
from keras_dropouts_export.scoring.columns import check_free, flat_outputs
from keras_dropouts_export.scoring.csv_copy import parquet_copy
from keras_dropouts_export.scoring.data_tables import check_kind
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer
from keras_dropouts_export.scoring.parts import PartTask, Span, hash_of, spans_of
from keras_dropouts_export.scoring.parts_folder import kept_parts
from keras_dropouts_export.scoring.result_tables import (
    Chunk,
    TableLayout,
    output_names,
    write_table,
)
from keras_dropouts_export.scoring.score_report import ScoreReport

_PART_BYTES = 2**25  # of inputs and outputs that a range has, where it is not said
_MOST_ROWS = 2**16
_POLL = 0.2  # seconds between two looks at how far the workers are

Progress = Callable[[int, int], None]


def score_file(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | os.PathLike[str],
    seed: int = 0,
    *,
    engine: str = "local",
    workers: int | None = None,
    partition_size: int | None = None,
    batch_size: int = 256,
    outputs_only: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ScoreReport:
    """Score every row of a table and write a table with the same rows in the same order.

    The columns are taken by the names of the model's inputs: one of numbers for an input of shape
    (batch,) or (batch, 1), one of lists (in lists) for another, or for an input `x` with n numbers
    a row the columns `x_0` to `x_{n-1}`. The row with the number i gets the seed
    `row_seeds(seed, 1, first=i)`. Outputs become columns in the same way; in a CSV file those with
    several numbers become a column for each.

    Ranges of rows are scored one by one into the folder `OUT.parts` and put together at the end,
    in one step. If the run is interrupted, killed or stopped by a damaged file, that folder stays,
    and the same call goes on from there. A part is used again only where the model, the seed and
    the numbers in its rows are the same.

    Args:
        data: A .parquet, .csv or .npz file. A CSV file has a line of names, and what the model does
            not take stays text; an .npz file must fit into the memory.
        out: Where to write, of any of these kinds, by its suffix.
        model: An .onnx file, as `OnnxScorer` takes it.
        seed: Any integer of 64 bits.
        engine: "local", "ray", "spark" or "beam". The ranges are then scored by processes of that
            engine, on this machine or on those of its cluster, which must see the same paths.
        workers: How many processes an engine starts here, None for one a core. They take one thread
            each.
        partition_size: How many rows a range has; None for about 32 MB, at most 65,536 rows.
        batch_size: How many rows the model runs at once.
        outputs_only: Whether to leave the columns of `data` out.
        overwrite: Whether to replace a file at `out`.
        progress: Called with the number of rows that are scored and that of all.

    Returns:
        A `ScoreReport`.

    Raises:
        ValueError, FileNotFoundError, FileExistsError, PermissionError: if an argument, the table
            or the model does not fit; nothing is at `out` that was not there before.
        ModuleNotFoundError: if the package of the engine is missing.
        ScoringError: if the engine fails.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,), name="features"), keras.layers.Dense(1, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx")
    >>> np.savez("data.npz", features=np.ones((10, 4), "float32"))
    >>> print(kde.scoring.score_file("data.npz", "scores.csv", "score.onnx"))
    scores.csv: 10 rows with the outputs score
    """
    place = engines.named(engine)
    for name, value in (("workers", workers), ("partition_size", partition_size)):
        if value is not None:
            check_integer(value, name, minimum=1)
    check_integer(batch_size, "batch_size", minimum=1)
    check_flag(outputs_only, "outputs_only")
    source, suffix = existing_table(data), check_kind(out, "out")
    if not isinstance(model, (str, os.PathLike)):
        raise invalid("model", "a path", model)
    layout = TableLayout(suffix)
    target = check_destination(out, layout, overwrite)
    if os.path.realpath(source) == os.path.realpath(target):
        raise invalid("out", "another file than the one that is read", os.fspath(out))
    threads = 1 if place.has_workers else None
    scorer = OnnxScorer(
        os.path.abspath(model), seed, batch_size=batch_size, intra_op_threads=threads
    )
    names = [name for value in scorer.outputs for name in output_names(value, suffix)]
    with kept_parts(target) as folder:
        mark, before = _mark(scorer), _state(source)
        task = _task(source, scorer, folder, mark)
        kept = [] if outputs_only else list(task.table.names)
        check_free(names, kept, task.where)
        task.check()
        spans = spans_of(task.table.rows, partition_size or _partition_size(scorer, batch_size))
        reused = _score(task, spans, place, workers, progress)
        if _mark(scorer) != mark:
            raise invalid("model", "a file that does not change meanwhile", scorer.path)
        if _state(source) != before:
            raise invalid("data", "a file that does not change meanwhile", task.where)
        with workplace(target) as work:
            made = work / target.name
            write_table(made, _chunks(task, spans, kept), task.where)
            put_in_place(made, target, layout, overwrite)
    outputs = tuple(value.name for value in scorer.outputs)
    return ScoreReport(os.fspath(out), task.table.rows, outputs, len(spans), reused)


def existing_table(data: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a table, if there is a file of such a kind.

    Raises:
        FileNotFoundError, ValueError: if there is none.
    """
    check_kind(data, "data")
    source = Path(os.path.abspath(data))
    if not source.is_file():
        raise FileNotFoundError(str(invalid("data", "a file that exists", os.fspath(data))))
    return source


def _state(path: Path) -> tuple[int, int, int]:
    """Return what tells that a file was replaced or written to."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _mark(scorer: OnnxScorer) -> str:
    """Return a hash of all that a part depends on beside its rows."""
    path = Path(scorer.path)
    beside = path.with_name(f"{path.name}.data")  # the weights of a large model
    files = [each for each in (path, beside) if each.exists()]
    return hash_of([*files, scorer.seed, scorer.batch_size])


def _task(source: Path, scorer: OnnxScorer, folder: Path, mark: str) -> PartTask:
    where, data = str(source), source
    if source.suffix.lower() == ".csv":
        data = parquet_copy(source, where, folder)
    inside = folder / mark
    inside.mkdir(exist_ok=True)
    return PartTask(data, where, scorer, inside)


def _partition_size(scorer: OnnxScorer, batch_size: int) -> int:
    values = (*scorer.inputs, *scorer.outputs)
    bytes_of_row = sum((each.size or 1) * np.dtype(each.dtype).itemsize for each in values)
    rows = min(_PART_BYTES // max(bytes_of_row, 1), _MOST_ROWS)
    return max(rows // batch_size, 1) * batch_size


def _score(
    task: PartTask,
    spans: Sequence[Span],
    place: engines.Engine,
    workers: int | None,
    progress: Progress | None,
) -> int:
    """Score all ranges, and return how many of them had a part before.

    Raises:
        ValueError: for the first range that cannot be scored.
        KeyboardInterrupt: saying what stays, if the user interrupts.
    """
    task.forget_outcomes()
    before = {path.name for path in task.folder.glob("*.npz")}
    rows = sum(span.rows for span in spans)
    stays = f"What was scored stays in {str(task.folder.parent)!r}; the same command goes on there."
    try:
        with _watched(task, rows, progress):
            place.run(task, spans, workers or os.cpu_count() or 1)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(stays) from None
    except ScoringError as error:
        raise ScoringError(f"{error} {stays}") from error
    outcomes = task.outcomes(spans)
    for outcome in outcomes:
        if outcome is not None and outcome.error is not None:
            raise ValueError(f"{outcome.error} {stays}")
    if None in outcomes:
        raise ScoringError(f"The engine {place.name!r} left rows out. {stays}")
    return sum(outcome is not None and outcome.part in before for outcome in outcomes)


@contextmanager
def _watched(task: PartTask, rows: int, progress: Progress | None) -> Iterator[None]:
    """Tell `progress` now and then how many rows are done while the block runs."""
    if progress is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL):
            progress(task.rows_done(), rows)

    progress(0, rows)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    progress(rows, rows)


def _chunks(task: PartTask, spans: Sequence[Span], kept: list[str]) -> Iterator[Chunk]:
    if not spans:
        empty = {value.name: value.empty() for value in task.scorer.outputs}
        yield Chunk(task.table.read(0, 0, kept), flat_outputs(task.scorer, empty))
    for span, outcome in zip(spans, task.outcomes(spans), strict=True):
        assert outcome is not None and outcome.part is not None  # noqa: PT018
        outputs = task.outputs(outcome.part)
        yield Chunk(task.table.read(*span, kept), flat_outputs(task.scorer, outputs))
