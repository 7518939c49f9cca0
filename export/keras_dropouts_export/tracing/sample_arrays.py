"""Makes NumPy arrays of what a user passes as sample inputs, and casts them without loss."""

from __future__ import annotations

import numbers
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import gives_batches, invalid

_EXPECTED = "an array, or a tuple, list or dict of arrays, as the model takes them"
_KINDS = "biufcO"  # of NumPy's dtypes: those that a tensor can have, strings as objects


def as_arrays(given: Any, argument: str) -> Any:
    """Return `given`, the value of `argument`, with a NumPy array in each leaf.

    Raises:
        ValueError: if a leaf is no array of numbers or strings, or there is nothing in it.
    """
    if isinstance(given, dict):
        if not given or not all(isinstance(key, str) for key in given):
            raise invalid(argument, "a dict of arrays by the names of the inputs", given)
        return {key: as_arrays(value, argument) for key, value in given.items()}
    if isinstance(given, (list, tuple)) and not _is_nested_numbers(given):
        made = [as_arrays(each, argument) for each in given]
        return made if isinstance(given, list) else tuple(made)
    return _array(given, argument)


def _is_nested_numbers(given: Any) -> bool:
    """Return whether nested lists hold nothing but numbers and strings, and so are one array."""
    if isinstance(given, (list, tuple)):
        return all(map(_is_nested_numbers, given))
    return isinstance(given, (numbers.Number, str, bytes, np.generic))


def _array(given: Any, argument: str) -> np.ndarray:
    if given is None or gives_batches(given):
        raise invalid(argument, _EXPECTED, given)
    try:
        is_tensor = keras.ops.is_tensor(given)
        array = np.asarray(keras.ops.convert_to_numpy(given) if is_tensor else given)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors of a graph
        raise invalid(argument, _EXPECTED, given, f"It is none: {error}") from error
    if array.dtype.name == "bfloat16":  # NumPy has none of its own
        array = array.astype("float32")
    if array.dtype.kind in "US":
        array = array.astype(object)
    if array.dtype.kind == "O" and not all(isinstance(x, (str, bytes)) for x in array.flat):
        raise invalid(
            argument, "arrays of numbers, booleans or strings, not of objects", shown(array)
        )
    if array.dtype.kind not in _KINDS:
        raise invalid(argument, "arrays of numbers, booleans or strings", shown(array))
    if not array.size:
        raise invalid(argument, "arrays of at least one element", shown(array))
    return array


def cast(array: np.ndarray, dtype: str, name: str, argument: str) -> np.ndarray:
    """Return `array`, of the value of `argument`, in the dtype of the input `name`.

    Raises:
        ValueError: if its values are of another kind, or do not fit.
    """
    expected = f"an array of {dtype} for input {name!r}"
    if (dtype == "string") != (array.dtype.kind == "O"):
        raise invalid(argument, expected, shown(array))
    if dtype == "string":
        return array
    wanted = np.dtype("float32" if dtype == "bfloat16" else dtype)
    whole = array.dtype.kind in "biu" and wanted.kind in "iu"
    if not whole and not np.can_cast(array.dtype, wanted, "same_kind"):
        raise invalid(argument, expected, shown(array))
    with np.errstate(over="ignore"):
        made = array.astype(wanted)
    fits = np.array_equal(made, array) if whole else (np.isfinite(made) == np.isfinite(array)).all()
    if not fits:
        raise invalid(argument, f"values that fit into {dtype} for input {name!r}", array)
    return made


def shown(given: Any) -> Any:
    """Return dtype and shape in place of each array, for an error."""
    if isinstance(given, dict):
        return {key: shown(value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [shown(each) for each in given]
    dtype = "objects" if given.dtype.kind == "O" else given.dtype.name
    return f"{dtype}[{', '.join(map(str, given.shape))}]"
