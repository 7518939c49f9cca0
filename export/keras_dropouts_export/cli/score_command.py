"""The command `keras-dropouts score`, which needs neither Keras nor TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from keras_dropouts_export import requirements

ENGINES = ("local", "ray", "spark", "beam")
_NEEDED = ("onnxruntime", "numpy", "pyarrow", "rich")
_path = click.Path(path_type=Path)


@click.command()
@click.argument("data", metavar="IN", type=_path)
@click.option("-o", "--out", type=_path, required=True, help="Where to write the result.")
@click.option("--model", type=_path, required=True, help="An .onnx file.")
@click.option("--seed", default=0, show_default=True, help="Seed of the rows' dropout masks.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="What spreads the rows over processes or machines.",
)
@click.option(
    "--workers", type=int, help="Processes that the engine starts here [default: one a core]"
)
@click.option(
    "--partition-size", type=int, help="Rows of a part [default: about 32 MB, at most 65,536]"
)
@click.option("--batch-size", default=256, show_default=True, help="Rows that run at once.")
@click.option("--outputs-only", is_flag=True, help="Leave the columns of IN out.")
@click.option("--overwrite", is_flag=True, help="Replace what is at OUT.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def score(data: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Score each row of IN, a .parquet, .csv or .npz file, with an ONNX model.

    Columns are taken by the names of the model's inputs. OUT has the rows of IN in their order, its
    columns, and one for each output. A run that was interrupted goes on where it stopped when the
    same command is given again.
    """
    if options["workers"] is not None and options["engine"] == "local":
        raise click.UsageError("--workers is for the engines ray, spark and beam.")
    requirements.check("`keras-dropouts score` needs", _NEEDED, "score")
    from keras_dropouts_export.cli.score_action import score_with_progress

    score_with_progress(data, out, as_json, options)
