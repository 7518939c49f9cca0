"""Tries a model with the inputs that its user chose: all rows, the first one and the first two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_dropouts_export.checks.input_domains import SEEDS
from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.tracing.inference_function import InferenceFunction

Inputs = dict[str, np.ndarray]


def chosen_trials(
    function: InferenceFunction, random: np.random.Generator
) -> Iterator[tuple[int, Inputs, Inputs]]:
    """Yield (batch size, inputs by name, the outputs of the model itself by name).

    Rows are taken alone as well where the batch is dynamic and the model takes them so; of one
    row two are made, so that a batch size that is fixed by mistake is seen.

    Raises:
        ExportError: if the model does not take the inputs that were chosen.
    """
    chosen = dict(function.chosen or {})
    rows = {len(each) if each.ndim else 0 for each in chosen.values()}
    for info in function.inputs:  # the seeds of Monte-Carlo dropout are none of them
        if info.name not in chosen:
            size = info.shape[0] or max(rows)
            chosen[info.name] = SEEDS.draw([size], info.dtype, random)
    try:
        expected = function.expected(chosen)
    except Exception as error:  # whatever a user's own `call` may raise
        raise ExportError(
            f"Model {function.name!r} does not take the `sample_inputs`: {said_by(error)}"
        ) from error
    total = max(rows)
    if len(rows) == 1 and total and all(not x.shape or x.shape[0] is None for x in function.inputs):
        yield from _of_some_rows(function, chosen, total)
    yield total, chosen, expected


def _of_some_rows(
    function: InferenceFunction, chosen: Inputs, total: int
) -> Iterator[tuple[int, Inputs, Inputs]]:
    for count in {1, 2} - {total}:
        few = {
            name: each[np.arange(count) % total] if each.ndim else each
            for name, each in chosen.items()
        }
        try:
            expected = function.expected(few)
        except Exception:  # noqa: BLE001  (a graph, say, whose nodes are no rows of a batch)
            continue
        yield count, few, expected
