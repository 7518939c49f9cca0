"""Collects the samples of one batch as they come in chunks: all of them, or their moments alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction


class Samples:
    """All samples of the outputs of one batch."""

    def __init__(self) -> None:
        self.chunks: list[list[np.ndarray]] = []

    def add(self, outputs: list[np.ndarray]) -> None:
        """Take a chunk of samples of each output."""
        self.chunks.append(outputs)

    def result(self) -> list[Any]:
        """Return the samples of each output."""
        return [
            parts[0] if len(parts) == 1 else np.concatenate(parts, axis=_axis(parts[0]))
            for parts in zip(*self.chunks, strict=True)
        ]


class Moments:
    """The mean and the sum of squared deviations of the outputs of one batch.

    Chunks are merged by the formula of Chan, Golub and LeVeque, 1983, "Algorithms for computing the
    sample variance: analysis and recommendations".
    """

    def __init__(self) -> None:
        self.count = 0
        self.merged: list[tuple[np.ndarray, np.ndarray]] = []
        self.dtypes: list[Any] = []

    def add(self, outputs: list[np.ndarray]) -> None:
        """Take a chunk of samples of each output."""
        self.dtypes = [x.dtype for x in outputs]
        more = outputs[0].shape[_axis(outputs[0])]
        found = []
        for x in outputs:
            axis = _axis(x)
            mean = np.mean(x, axis=axis, dtype="float64")
            squares = np.sum((x - np.expand_dims(mean, axis)) ** 2, axis=axis)
            found.append((mean, squares))
        if self.count:
            share = more / (self.count + more)
            found = [
                (mean + (new - mean) * share, m2 + m + (new - mean) ** 2 * (self.count * share))
                for (mean, m2), (new, m) in zip(self.merged, found, strict=True)
            ]
        self.merged, self.count = found, self.count + more

    def result(self) -> list[Any]:
        """Return the mean and the standard deviation of each output."""
        return [
            np.stack([mean, np.sqrt(squares / self.count)]).astype(dtype)
            for (mean, squares), dtype in zip(self.merged, self.dtypes, strict=True)
        ]


def together(
    batches: list[list[np.ndarray]], structure: Any, seed: int | None, reduce: str | None
) -> MonteCarloPrediction:
    """Return the prediction that the results of all batches are."""

    def packed(flat: list[np.ndarray]) -> Any:
        return keras.tree.pack_sequence_as(structure, flat)

    axis = 0 if reduce is None else 1  # of the rows; of moments the first axis is which they are
    whole = [
        parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)
        for parts in zip(*batches, strict=True)
    ]
    if reduce is None:
        samples = packed([np.moveaxis(x, _axis(x), 0) for x in whole])
        return MonteCarloPrediction(samples, seed)
    moments = packed([x[0] for x in whole]), packed([x[1] for x in whole])
    return MonteCarloPrediction(None, seed, moments)


def _axis(x: np.ndarray) -> int:
    """Return the axis of the samples: the second one, or the only one of what has no rows."""
    return min(1, x.ndim - 1)
