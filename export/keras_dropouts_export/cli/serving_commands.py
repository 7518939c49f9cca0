"""The command of `keras-dropouts` that packages an artifact for a model server, and its options."""

from __future__ import annotations

from pathlib import Path

import click

from keras_dropouts_export.cli import quiet_start
from keras_dropouts_export.serving import TARGETS


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--for",
    "target",
    type=click.Choice([each.name for each in TARGETS]),
    required=True,
    help=f"What OUT becomes ({'; '.join(f'{each.name}: {each.title}' for each in TARGETS)}).",
)
@click.option("--name", help="What the server calls the model [default: the name of the file].")
@click.option(
    "--max-batch-size",
    type=int,
    help="Triton and KServe: rows that the server puts together at most [default: 64].",
)
@click.option("--storage-uri", help="KServe: where the cluster reads the model repository from.")
@click.option(
    "--time-limit",
    type=float,
    default=600.0,
    show_default=True,
    help="Seconds that MODEL may take, in a process of its own.",
)
@click.option("--overwrite", is_flag=True, help="Replace a package at OUT.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def package(
    model: Path,
    out: Path,
    target: str,
    name: str | None,
    max_batch_size: int | None,
    storage_uri: str | None,
    time_limit: float,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write to the folder OUT what a server needs for MODEL, an exported .onnx file.

    The file must pass its own self-test first.
    """
    quiet_start.load_tensorflow()
    from keras_dropouts_export.cli.standard_streams import say_report
    from keras_dropouts_export.serving.package import package as write

    report = write(
        model,
        out,
        target,
        name=name,
        max_batch_size=max_batch_size,
        storage_uri=storage_uri,
        time_limit=time_limit,
        overwrite=overwrite,
    )
    say_report(report, as_json)
