"""Reads what a user predicts for, arrays or what gives them, one batch after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import gives_batches, invalid
from keras_dropouts.monte_carlo.inputs import differ_in_rows, flat_inputs


class Batches:
    """The batches of a user's data, each a flat list of arrays with the same number of rows.

    Args:
        model: A built Keras model.
        x: An array or a structure of arrays, or what gives batches of such: a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a PyTorch `DataLoader`, a generator. As in `predict` of Keras a
            batch that is a tuple is (inputs, targets, weights), of which the inputs are taken; a
            loader of PyTorch gives lists for tuples.
        size: Rows that run together, of arrays; None: the arrays are one whole.

    Raises:
        ValueError: if it is nothing of that, has no end or no rows, or does not fit the model.
    """

    def __init__(self, model: Any, x: Any, size: int | None) -> None:
        self.model = model
        self.as_one = False
        self.count: int | None = None  # how many batches there are, where that is known
        self.rows: int | None = None  # how many rows there are in all, where that is known
        if gives_batches(x):
            if not (hasattr(x, "__iter__") or isinstance(x, keras.utils.PyDataset)):
                expected = "arrays, or a dataset, loader or generator that gives batches of them"
                way_out = "Call the function, and pass what it returns." if callable(x) else ""
                raise invalid("x", expected, x, way_out)
            if size is None:
                expected = "arrays where batch_size is None: they are one whole, and no batches"
                raise invalid("x", expected, x)
            self._given: Iterator[Any] = _read(x)
            self.count = _length(x)
        else:
            flat, structure = flat_inputs(model, x, as_one=size is None)
            self.as_one = size is None or differ_in_rows(model, flat)
            self.rows = 1 if self.as_one else len(flat[0])
            width = self.rows if self.as_one or size is None else size
            self.count = -(-self.rows // width)
            self._cut = flat, structure, width

    def __iter__(self) -> Iterator[tuple[list[np.ndarray], Any]]:
        """Yield (flat inputs, their structure) of each batch."""
        if self.rows is None:
            yield from self._read_batches()
            return
        flat, structure, width = self._cut
        for start in range(0, self.rows, width):
            yield flat if self.as_one else [x[start : start + width] for x in flat], structure

    def _read_batches(self) -> Iterator[tuple[list[np.ndarray], Any]]:
        empty = True
        for batch in self._given:
            flat, structure = flat_inputs(self.model, batch)
            if differ_in_rows(self.model, flat):
                rows = [len(each) if each.ndim else 0 for each in flat]
                raise invalid("x", "batches of arrays with the same number of rows", rows)
            empty = False
            yield flat, structure
        if empty:
            raise invalid("x", "one batch or more", "none: it is empty, or was read to its end")


def _length(x: Any) -> int | None:
    """Return how many batches something gives, None where it does not say.

    Raises:
        ValueError: if it has no end.
    """
    if hasattr(x, "cardinality"):  # of tf.data
        count = int(x.cardinality())
        endless = count == -1
    elif isinstance(x, keras.utils.PyDataset):
        count = getattr(x, "num_batches", len(x))  # before Keras 3.6 each of them has a length
        endless = count is None
    else:
        try:
            return len(x)
        except TypeError:
            return None
    if endless:
        raise invalid("x", "data that has an end", x, "Take a part of it, as by `x.take(100)`.")
    return None if count < 0 else count


def _read(x: Any) -> Iterator[Any]:
    """Yield the inputs of each batch."""
    if isinstance(x, keras.utils.PyDataset):  # before Keras 3.11 it gives no batches by itself
        batches: Iterator[Any] = (x[i] for i in range(_length(x) or 0))
    else:
        batches = iter(x)
    lists_are_tuples = type(x).__module__.partition(".")[0] == "torch"
    for batch in batches:
        pair = isinstance(batch, tuple) or (lists_are_tuples and isinstance(batch, list))
        if pair and not 1 <= len(batch) <= 3:
            expected = "batches of inputs, or tuples (inputs, targets, weights)"
            raise invalid("x", expected, f"a tuple of {len(batch)}")
        yield batch[0] if pair else batch
