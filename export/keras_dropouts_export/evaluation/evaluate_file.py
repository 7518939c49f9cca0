"""Offers `evaluate_file`: the report of an ONNX file on labelled data, by onnxruntime alone."""

from __future__ import annotations

import os
from typing import Any

from keras_dropouts.uncertainty.evaluate import evaluate
from keras_dropouts.uncertainty.uncertainty_report import UncertaintyReport
from keras_dropouts_export.evaluation.labelled_table import Progress, opened
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer


def evaluate_file(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    labels: str | None = None,
    seed: int = 0,
    batch_size: int = 256,
    progress: Progress | None = None,
    **options: Any,
) -> UncertaintyReport:
    """Evaluate an ONNX file on labelled data, as it is served.

    The report is that of `kd.uncertainty.evaluate` with the outputs of the file. Where it has them,
    the report also says what `<name>_set`, `<name>_lower` and `<name>_upper`, and `<name>_accept`
    are worth. Row i gets the seed `row_seeds(seed, 1, first=i)`, as in `score_file`.

    Args:
        model: An .onnx file, as `OnnxScorer` takes it, with Monte-Carlo dropout inside or without.
        data: A .parquet, .csv or .npz file with a column for each input, as `score_file` reads it,
            and one of labels. All outputs must fit into the memory.
        labels: The column of the labels, or the array of an .npz file; None for the first of `y`,
            `label` and `labels` that is there. Of labels `y` with several numbers a row the columns
            may be `y_0`, `y_1` and so on.
        seed: Any integer of 64 bits.
        batch_size: How many rows the model runs at once.
        progress: Called with the number of rows that are done and that of all.
        options: Further arguments of `kd.uncertainty.evaluate`: `output` where the file has several
            outputs, `kind`, `noise`, `ignore_label`, `bins`, `bootstrap` and `level`.

    Raises:
        FileNotFoundError, ValueError: if a file is missing, or an argument, a column or the labels
            do not fit.
    """
    scorer = OnnxScorer(os.path.abspath(model), seed, batch_size=batch_size)
    with opened(data, scorer, labels) as table:
        y = table.labels()
        return evaluate(table.outputs(progress), y, **options)
