"""Scores on Beam: a model handler for `RunInference`, and ranges of a file as Beam's elements."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer

Row = tuple[int, dict[str, Any]]


class BeamModelHandler(ModelHandler[Row, PredictionResult, OnnxScorer]):
    """Scores the elements of a Beam pipeline with an ONNX file: `RunInference(handler)`.

    An element is a pair of the row's number and of a dict from the names of the inputs to arrays or
    numbers of that one row. The inference of its `PredictionResult` is a dict of all outputs, of
    that row. A row's masks depend on `seed` and its number alone, whatever batches Beam makes.

    Args:
        path: An .onnx file that each machine sees.
        seed: Any integer of 64 bits.
        min_batch_size: The least rows that run at once, None for Beam's choice.
        max_batch_size: The most rows that run at once, None for Beam's choice.
        options: Further arguments of `OnnxScorer`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        seed: int = 0,
        *,
        min_batch_size: int | None = None,
        max_batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(min_batch_size=min_batch_size, max_batch_size=max_batch_size)
        self.scorer = OnnxScorer(path, seed, **options)

    def load_model(self) -> OnnxScorer:
        """Open the file in the worker."""
        _ = self.scorer.inputs
        return self.scorer

    def run_inference(
        self,
        batch: Sequence[Row],
        model: OnnxScorer,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """Return the outputs for each row of a batch."""
        names = {name for _, row in batch for name in row}
        inputs = {name: np.stack([np.asarray(row[name]) for _, row in batch]) for name in names}
        outputs = model(inputs, row_numbers=np.array([number for number, _ in batch], "int64"))
        for index, row in enumerate(batch):
            yield PredictionResult(row, {name: x[index] for name, x in outputs.items()})

    def get_num_bytes(self, batch: Sequence[Row]) -> int:
        """Return how many bytes the numbers of a batch have."""
        return sum(np.asarray(x).nbytes for _, row in batch for x in row.values())

    def get_metrics_namespace(self) -> str:
        """Return the name under which Beam counts."""
        return "KerasDropouts"


def run(task: Any, spans: Sequence[Any], workers: int) -> None:
    """Score ranges of rows as elements of Beam, in processes of this machine."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from keras_dropouts_export.scoring.parts import work

    options = PipelineOptions(
        [],
        direct_num_workers=workers,
        direct_running_mode="multi_processing",
        # There are no triggers; without this the runner would try to download another one, Prism.
        allow_unsafe_triggers=True,
    )
    with beam.Pipeline("DirectRunner", options) as pipeline:
        ranges = pipeline | beam.Create(list(spans)) | beam.Reshuffle()
        _ = ranges | beam.Map(functools.partial(work, task))
