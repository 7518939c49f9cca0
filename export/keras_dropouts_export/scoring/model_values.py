"""Says what an ONNX file takes and returns, and makes the arrays of a call fit or refuses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid

_DTYPES = {  # by the names that onnxruntime has for them
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    **{f"tensor({sign}int{n})": f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)},
    "tensor(bool)": "bool",
}


@dataclass(frozen=True)
class ModelValue:
    """An input or an output of an ONNX file.

    shape: without the batch, which is the first dimension; None for a dimension that is not fixed.
    batch: the number of rows that the file takes at once; None for any.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    batch: int | None

    @classmethod
    def of(cls, node: Any, path: str) -> ModelValue:
        """Return what a session of onnxruntime says of an input or an output.

        Raises:
            ValueError: if it holds no numbers, or has no batch.
        """
        expected = "an .onnx file of numbers whose inputs and outputs have the batch first"
        if node.type not in _DTYPES or not node.shape:
            shown = f"{node.type} of shape {tuple(node.shape)}"
            raise invalid("path", expected, path, f"Its {node.name!r} is {shown}.")
        first, *others = (size if isinstance(size, int) else None for size in node.shape)
        return cls(node.name, _DTYPES[node.type], tuple(others), first)

    @property
    def size(self) -> int | None:
        """How many numbers a row has; None where a dimension is not fixed."""
        sizes = [size for size in self.shape if size is not None]
        return int(np.prod(sizes)) if len(sizes) == len(self.shape) else None

    @property
    def is_scalar(self) -> bool:
        """Whether a row has one number, so that its column in a table is one of numbers."""
        return self.shape in ((), (1,))

    def __str__(self) -> str:
        sizes = ["batch", *("any" if size is None else str(size) for size in self.shape)]
        return f"{self.dtype} of shape ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"

    def fitted(self, value: Any) -> np.ndarray:
        """Return `value` as an array of this input's dtype and shape.

        Numbers of the same kind are converted where each one fits, and integers for an input of
        floats; a shape of (batch,) stands for (batch, 1), and rows that lie flat for rows of fixed
        dimensions.

        Raises:
            ValueError: naming the input, if the value does not fit.
        """
        try:
            array = np.asarray(value)
        except (TypeError, ValueError) as error:  # lists of several lengths
            raise self._refused(value) from error
        if array.ndim == 0:
            raise self._refused(array)
        return np.ascontiguousarray(self._of_dtype(self._shaped(array)))

    def _shaped(self, array: np.ndarray) -> np.ndarray:
        lies_flat = array.ndim <= 2 and self.size is not None
        if lies_flat and array.shape[1:] != self.shape:
            flat = array.shape[1] if array.ndim == 2 else 1
            if flat == self.size:
                array = array.reshape(len(array), *(size or 0 for size in self.shape))
        pairs = zip(self.shape, array.shape[1:], strict=False)
        fits = array.ndim == 1 + len(self.shape) and all(want in (None, got) for want, got in pairs)
        if not fits:
            raise self._refused(array)
        return array

    def _of_dtype(self, array: np.ndarray) -> np.ndarray:
        wanted = np.dtype(self.dtype)
        if array.dtype == wanted:
            return array
        are_integers = array.dtype.kind in "iu" and wanted.kind in "iu"
        if array.dtype.kind not in "biuf" or not (
            are_integers or np.can_cast(array.dtype, wanted, "same_kind")
        ):
            raise self._refused(array)
        with np.errstate(over="ignore"):
            new = array.astype(wanted)
        kept = np.isfinite(new) | ~np.isfinite(array) if wanted.kind == "f" else new == array
        if not kept.all():
            worst = array[~kept].reshape(-1)[0].item()
            raise self._refused(array, f"{worst!r} is no {self.dtype}.")
        return new

    def _refused(self, value: Any, more: str = "") -> ValueError:
        shown = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else value
        return invalid(f"inputs[{self.name!r}]", f"numbers that fit {self}", shown, more)

    def empty(self) -> np.ndarray:
        """Return an array of no rows; dimensions that are not fixed are 0."""
        return np.zeros((0, *(size or 0 for size in self.shape)), self.dtype)
