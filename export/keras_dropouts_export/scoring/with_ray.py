"""Scores on Ray: a class for Ray Data's `map_batches`, and ranges of a file as Ray's tasks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dropouts_export.scoring.columns import scored_columns
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer


class RayScorer:
    """Adds the outputs of an ONNX file to the batches of a Ray dataset.

    For `dataset.map_batches(RayScorer, fn_constructor_kwargs={...}, batch_format="numpy",
    concurrency=n)`: each of n processes opens the file once. The dataset has a column for each
    input, by its name (or `x_0`, `x_1` ... for the numbers of an input `x`), and one of integers
    that numbers the rows, such as a key of your own: a row's masks depend on `seed` and that number
    alone, wherever and in whatever order it is computed.

    Args:
        path: An .onnx file that each machine sees.
        seed: Any integer of 64 bits.
        row_numbers: The column of the rows' numbers, or None where the file has no dropout.
        options: Further arguments of `OnnxScorer`.

    Raises:
        ValueError: if a column is missing, does not fit, or has the name of an output.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,), name="features"), keras.layers.Dense(1, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx")
    >>> scorer = kde.scoring.RayScorer("score.onnx", row_numbers="id")
    >>> batch = {"id": np.arange(3), "features": np.ones((3, 4), "float32")}
    >>> sorted(scorer(batch)), scorer(batch)["score"].shape
    (['features', 'id', 'score'], (3,))
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        seed: int = 0,
        *,
        row_numbers: str | None = "row",
        **options: Any,
    ) -> None:
        self.scorer, self.row_numbers = OnnxScorer(path, seed, **options), row_numbers

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the batch with a column for each output."""
        return scored_columns(self.scorer, batch, self.row_numbers)


def run(task: Any, spans: Sequence[Any], workers: int) -> None:
    """Score ranges of rows as tasks of Ray, each of which is run again if its worker is lost."""
    import ray

    from keras_dropouts_export.scoring.parts import work

    started_here = not ray.is_initialized()
    if started_here:
        # A cluster that RAY_ADDRESS names has its own number of processes.
        size = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **size)
    try:
        remote, held = ray.remote(max_retries=3)(work), ray.put(task)
        ray.get([remote.remote(held, span) for span in spans])
    finally:
        if started_here:
            ray.shutdown()
