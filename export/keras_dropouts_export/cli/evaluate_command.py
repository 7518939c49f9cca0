"""The command `keras-dropouts evaluate`, which needs neither Keras nor TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from keras_dropouts_export import requirements

_NEEDED = ("onnxruntime", "numpy", "pyarrow", "rich")
_path = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_path)
@click.argument("data", type=_path)
@click.option("--labels", help="Column or array of the labels [default: y, label or labels]")
@click.option("--output", help="The output that is meant, where MODEL has several.")
@click.option(
    "--kind",
    type=click.Choice(["classification", "regression"]),
    help="What the labels are [default: by labels and outputs]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the rows' dropout masks.")
@click.option(
    "--bootstrap",
    default=0,
    show_default=True,
    help="How often to draw the rows anew for intervals; 0 for none, 1000 is usual.",
)
@click.option("--level", default=0.95, show_default=True, help="Probability of the intervals.")
@click.option("--bins", default=15, show_default=True, help="Bins of the calibration errors.")
@click.option("--noise", default=0.0, help="Of numbers: standard deviation of noise in the data.")
@click.option("--ignore-label", type=int, help="A label that marks what is to be left out.")
@click.option("--batch-size", default=256, show_default=True, help="Rows that run at once.")
@click.option("--plot", type=_path, help="Draw the report to a .png, .pdf or .svg file.")
@click.option("--overwrite", is_flag=True, help="Replace what is at the path of --plot.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def evaluate(
    model: Path, data: Path, plot: Path | None, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """Measure MODEL, an .onnx file, on DATA with labels, a .parquet, .csv or .npz file.

    Columns are taken by the names of the model's inputs. Printed are accuracy, calibration and
    selective prediction, or errors and intervals, and what sets, intervals and acceptances that
    MODEL gives are worth.
    """
    requirements.check("`keras-dropouts evaluate` needs", _NEEDED, "score")
    if plot is not None:
        requirements.check("`keras-dropouts evaluate --plot` needs", ("matplotlib",), "score,plot")
    elif overwrite:
        raise click.UsageError("--overwrite is for --plot, which is not given.")
    from keras_dropouts_export.cli.evaluate_action import evaluate_with_progress

    evaluate_with_progress(model, data, plot, overwrite, as_json, options)
