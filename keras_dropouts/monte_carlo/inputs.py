"""Turns what a user passes to a model into a flat list of arrays."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import graph_of, input_structure, is_graph


def flat_inputs(model: Any, x: Any) -> tuple[list[np.ndarray], Any]:
    """Return the inputs of `model` as a flat list of arrays, and their structure.

    Raises:
        ValueError: if they are not arrays with the same number of rows, at least one.
    """
    if is_graph(model):
        graph = graph_of(model)
        if isinstance(x, dict) and not isinstance(input_structure(graph), dict):
            missing = [tensor.name for tensor in graph.inputs if tensor.name not in x]
            if missing:
                raise invalid("x", f"a dict with the inputs {missing}", sorted(x))
            x = [x[tensor.name] for tensor in graph.inputs]
        expected = len(graph.inputs)
    else:
        expected = len(keras.tree.flatten(x))
    structured = _is_structure(x, expected)
    flat = [_array(leaf) for leaf in (keras.tree.flatten(x) if structured else [x])]
    if len(flat) != expected or not flat:
        raise invalid("x", f"{expected} arrays, one for each input", len(flat))
    sizes = [len(each) if each.ndim else 0 for each in flat]
    if len(set(sizes)) > 1 or not sizes[0]:
        raise invalid("x", "arrays with the same number of rows, at least one", sizes)
    if is_graph(model):
        wanted = [tuple(tensor.shape) for tensor in graph_of(model).inputs]
        if not all(map(_fits, flat, wanted)):
            raise invalid("x", f"arrays of shapes {wanted}", [each.shape for each in flat])
        kinds = [tensor.dtype for tensor in graph_of(model).inputs]
        if any(a.dtype == object and kind != "string" for a, kind in zip(flat, kinds, strict=True)):
            raise invalid("x", f"arrays of dtypes {kinds}", [each.dtype.name for each in flat])
    return flat, keras.tree.map_structure(lambda _: 0, x) if structured else 0


def _fits(array: np.ndarray, shape: tuple[int | None, ...]) -> bool:
    if array.ndim != len(shape):  # Keras adds or takes away a last axis of 1
        return abs(array.ndim - len(shape)) == 1 and 1 in (array.shape[-1], shape[-1])
    return all(b in (None, a) for a, b in zip(array.shape[1:], shape[1:], strict=True))


def _is_structure(x: Any, expected: int) -> bool:
    """Return whether `x` is a structure of arrays, not one array in the form of nested lists."""
    return (
        expected > 1
        or isinstance(x, dict)
        or (isinstance(x, (list, tuple)) and len(x) == 1 and hasattr(x[0], "shape"))
    )


def _array(x: Any) -> np.ndarray:
    try:
        array = ops.convert_to_numpy(x) if ops.is_tensor(x) else np.asarray(x)
    except ValueError as error:  # lists of several lengths
        raise invalid("x", "an array, or a structure of arrays, as the model takes", x) from error
    if array.dtype.kind in "US" or (array.dtype == object and _holds_strings(array)):
        return array.astype(object)  # which TensorFlow takes for strings
    if array.dtype.kind not in "biuf":
        raise invalid("x", "arrays of numbers or strings", array.dtype.name)
    return array


def _holds_strings(array: np.ndarray) -> bool:
    return all(isinstance(each, str | bytes) for each in array.ravel())
