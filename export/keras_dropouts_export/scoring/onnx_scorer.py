"""Offers `OnnxScorer`: an ONNX file as a function of arrays, with the seeds of rows by number."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from keras_dropouts.arguments import check_int64, check_integer, invalid
from keras_dropouts.noise.row_seeds import check_row_seeds, row_seeds, seeds_of_numbers
from keras_dropouts_export.scoring.model_values import ModelValue
from keras_dropouts_export.scoring.onnx_session import OnnxSession

_CPU = ("CPUExecutionProvider",)


class OnnxScorer:
    """Computes the outputs of an ONNX file for rows that are given as arrays.

    The seed of a row is `keras_dropouts.row_seeds` of `seed` and of the row's number in the data,
    so rows that are spread over batches, processes or machines have the same masks as in one call,
    and a part that is computed again gives the same bits. Numbers of float outputs may differ in
    their last digits between batches of other sizes, as onnxruntime adds in another order.

    It needs onnxruntime and NumPy alone. It can be pickled: it holds its arguments, and each
    process opens the file when it first needs it.

    Args:
        path: An .onnx file whose inputs and outputs have the batch first, as `export_onnx` writes
            them, with Monte-Carlo dropout inside or without. With `fixed_masks` all rows get `seed`
            itself, since the rows of a call share their masks. A file with `rng="native"` is
            refused, as it takes no seed.
        seed: Any integer of 64 bits.
        batch_size: How many rows run at once, which bounds the memory, an integer above 0; None
            for all rows of a call.
        providers: Names of onnxruntime's execution providers, the first that can run comes first.
        intra_op_threads: How many threads an operation may take, an integer above 0; None for as
            many as there are cores.

    Call arguments:
        inputs: A dict from the names of the file's inputs to arrays of shape (rows, ...), each of
            the dtype and the shape that the file says. Floats and integers of another width are
            converted where each number fits, and integers to floats; (rows,) stands for (rows, 1).
            With the file's input of seeds, `"seed"`, the rows have the seeds that are given,
            integers of shape (rows,).
        first: The number of the first row in the data, an integer not below 0.
        row_numbers: In place of `first`, the number of each row, integers of shape (rows,).

    Returns:
        A dict from the names of the file's outputs to arrays of shape (rows, ...).

    Raises:
        FileNotFoundError, ValueError: if there is no such file, onnxruntime does not load or run
            it, or an argument does not fit it.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,), name="features"), keras.layers.Dropout(0.5)]
    >>> model = keras.Sequential([*layers, keras.layers.Dense(2, name="score")])
    >>> report = kde.export_onnx(model, "score.onnx", samples=8)
    >>> scorer = kde.scoring.OnnxScorer("score.onnx", seed=7)
    >>> x = np.ones((6, 4), "float32")
    >>> whole = scorer({"features": x})
    >>> part = scorer({"features": x[4:]}, first=4)
    >>> sorted(whole), part["score_std"].shape
    (['score_mean', 'score_std'], (2, 2))
    >>> np.allclose(part["score_mean"], whole["score_mean"][4:], rtol=1e-6)
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        seed: int = 0,
        *,
        batch_size: int | None = None,
        providers: Sequence[str] = _CPU,
        intra_op_threads: int | None = None,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise invalid("path", "a path", path)
        self.path, self.seed = os.fspath(path), check_int64(seed, "seed")
        for name, value in (("batch_size", batch_size), ("intra_op_threads", intra_op_threads)):
            if value is not None:
                check_integer(value, name, minimum=1)
        known = onnxruntime.get_available_providers()
        if isinstance(providers, str) or not providers or not set(providers) <= set(known):
            raise invalid("providers", f"a list of names out of {known}", providers)
        self.batch_size, self.providers = batch_size, tuple(providers)
        self.intra_op_threads = intra_op_threads
        self._opened: OnnxSession | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}  # a session stays in its process

    @property
    def inputs(self) -> tuple[ModelValue, ...]:
        """The inputs that a call must give: those of the file, without the seeds.

        Example:

        >>> import keras
        >>> import keras_dropouts_export as kde
        >>> model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2, name="y")])
        >>> report = kde.export_onnx(model, "y.onnx")
        >>> scorer = kde.scoring.OnnxScorer("y.onnx")
        >>> print(scorer.inputs[0], scorer.outputs[0].name)
        float32 of shape (batch, 4) y
        """
        return self._file.inputs

    @property
    def outputs(self) -> tuple[ModelValue, ...]:
        """The outputs of the file."""
        return self._file.outputs

    @property
    def _file(self) -> OnnxSession:
        if self._opened is None:
            self._opened = OnnxSession(self.path, self.providers, self.intra_op_threads)
        return self._opened

    def __call__(
        self, inputs: Mapping[str, Any], first: int = 0, *, row_numbers: Any = None
    ) -> dict[str, np.ndarray]:
        """Return the outputs for rows; see the class."""
        rows, arrays = self.fitted(inputs)
        arrays |= self._seeds(rows, arrays, first, row_numbers)
        size = self._file.rows_at_once or self.batch_size or max(rows, 1)
        pieces = [
            self._file.run({name: x[begin : begin + size] for name, x in arrays.items()})
            for begin in range(0, rows, size)
        ]
        if not pieces:  # onnxruntime ends the process at an LSTM of no rows
            return {value.name: value.empty() for value in self.outputs}
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}

    def fitted(self, inputs: Mapping[str, Any]) -> tuple[int, dict[str, np.ndarray]]:
        """Return the number of rows, and the inputs as the file takes them.

        Raises:
            FileNotFoundError, ValueError: as a call does.

        Example:

        >>> import keras
        >>> import keras_dropouts_export as kde
        >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(2, name="y")])
        >>> report = kde.export_onnx(model, "y.onnx")
        >>> kde.scoring.OnnxScorer("y.onnx").fitted({"x": [[1, 2]]})
        (1, {'x': array([[1., 2.]], dtype=float32)})
        """
        if not isinstance(inputs, Mapping):
            raise invalid("inputs", "a dict of arrays by the names of the inputs", inputs)
        wanted = {value.name: value for value in self.inputs}
        seed = self._file.seed
        if not set(wanted) <= set(inputs) <= {*wanted, seed} - {""}:
            expected = f"a dict of arrays by the inputs {sorted(wanted)}"
            raise invalid("inputs", expected, sorted(map(str, inputs)))
        arrays = {name: value.fitted(inputs[name]) for name, value in wanted.items()}
        counts = {name: len(x) for name, x in arrays.items()}
        if len(set(counts.values())) > 1:
            raise invalid("inputs", "arrays of the same number of rows", counts)
        rows = next(iter(counts.values()))
        if seed in inputs:
            arrays[seed] = check_row_seeds(inputs[seed], rows)
        return rows, arrays

    def _seeds(
        self, rows: int, arrays: dict[str, np.ndarray], first: int, row_numbers: Any
    ) -> dict[str, np.ndarray]:
        """Return the seeds of rows as an input, or nothing for a file that takes none."""
        check_integer(first, "first")
        if row_numbers is not None and first:
            raise invalid("first", "0 where `row_numbers` is given", first)
        if row_numbers is not None:
            row_numbers = _numbers(row_numbers, rows)
        sampling, seed = self._file.sampling, self._file.seed
        if sampling is None:
            return {}
        if seed in arrays:
            if first or row_numbers is not None:
                raise invalid("inputs", f"no {seed!r} where rows have numbers", sorted(arrays))
            return {}
        if sampling.fixed_masks:
            return {seed: np.full(rows, self.seed, "int64")}
        if row_numbers is not None:
            return {seed: seeds_of_numbers(self.seed, row_numbers)}
        return {seed: row_seeds(self.seed, rows, first)}


def _numbers(value: Any, rows: int) -> np.ndarray:
    array = np.asarray(value)
    good = array.shape == (rows,) and array.dtype.kind in "iu"
    if not good or (rows and (array.min() < 0 or array.max() >= 2**63)):
        expected = f"integers from 0 to 2**63 - 1, of shape ({rows},)"
        shown = f"{array.dtype} of shape {array.shape}" if not good else value
        raise invalid("row_numbers", expected, shown)
    return array
