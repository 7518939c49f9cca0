"""What `keras-dropouts evaluate` does: it prints the report of an ONNX file, and draws it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_dropouts_export.cli.progress_bar import progress_bar
from keras_dropouts_export.cli.standard_streams import say_report
from keras_dropouts_export.destination import check_destination, put_in_place, workplace
from keras_dropouts_export.evaluation.evaluate_file import evaluate_file
from keras_dropouts_export.scoring.result_tables import TableLayout


class PictureLayout(TableLayout):
    """How a picture lies on disk: one file."""

    argument = "plot"

    def __init__(self) -> None:
        self.suffixes, self.title = (".png", ".pdf", ".svg"), "a picture"


def evaluate_with_progress(
    model: Path,
    data: Path,
    plot: Path | None,
    overwrite: bool,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    """Evaluate a file and print the report; a terminal shows how many rows are done."""
    layout = PictureLayout()
    target = None if plot is None else check_destination(plot, layout, overwrite)
    with progress_bar("evaluating", shown=not as_json) as told:
        report = evaluate_file(model, data, progress=told, **options)
    if target is not None:
        with workplace(target) as work:
            made = work / target.name
            report.plot().savefig(made)
            put_in_place(made, target, layout, overwrite)
    say_report(report, as_json)
