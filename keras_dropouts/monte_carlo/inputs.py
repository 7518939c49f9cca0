"""Turns what a user passes to a model into a flat list of arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import graph_of, input_structure, is_graph
from keras_dropouts.keras_internals.layers import built_on


def flat_inputs(model: Any, x: Any, as_one: bool = False) -> tuple[list[np.ndarray], Any]:
    """Return the inputs of `model` as a flat list of arrays, and their structure.

    as_one: whether they are one whole, and no rows.

    Raises:
        ValueError: if they are not arrays that fit the inputs of the model, with one row or more.
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
        leaves = keras.tree.flatten(x)
        expected = len(leaves) if any(hasattr(leaf, "shape") for leaf in leaves) else 1
    structured = _is_structure(x, expected)
    flat = [_array(leaf) for leaf in (keras.tree.flatten(x) if structured else [x])]
    if len(flat) != expected or not flat:
        raise invalid("x", f"{expected} arrays, one for each input", len(flat))
    _check_rows(model, flat, as_one)
    if is_graph(model):
        wanted = [tuple(tensor.shape) for tensor in graph_of(model).inputs]
        if not all(map(_fits, flat, wanted)):
            raise invalid("x", f"arrays of shapes {wanted}", _shapes(flat), _way_out(flat, wanted))
        kinds = [tensor.dtype for tensor in graph_of(model).inputs]
        if any(a.dtype == object and kind != "string" for a, kind in zip(flat, kinds, strict=True)):
            raise invalid("x", f"arrays of dtypes {kinds}", [each.dtype.name for each in flat])
    return flat, keras.tree.map_structure(lambda _: 0, x) if structured else 0


def differ_in_rows(model: Any, flat: list[np.ndarray]) -> bool:
    """Return whether inputs have several numbers of rows, as the nodes and edges of a graph."""
    return not is_graph(model) and len({len(each) if each.ndim else 0 for each in flat}) > 1


def _check_rows(model: Any, flat: list[np.ndarray], as_one: bool) -> None:
    sizes = [len(each) if each.ndim else 0 for each in flat]
    if as_one or differ_in_rows(model, flat):
        return
    if len(set(sizes)) > 1 or not sizes[0]:
        way_out = "Where they are one whole, such as a graph, pass batch_size=None."
        expected = "arrays with the same number of rows, at least one"
        raise invalid("x", expected, sizes, way_out if len(set(sizes)) > 1 else "")
    shape = None if is_graph(model) or len(flat) > 1 else built_on(model)
    if shape is not None and _lacks_batch_axis(flat[0].shape, shape):
        wanted = (None, *shape[1:])
        raise invalid("x", f"an array of shape {wanted}", flat[0].shape, _ADD_AXIS)


_ADD_AXIS = "The first axis is that of the rows; give a single row one, as in `x[None]`."


def _lacks_batch_axis(given: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(given) == len(shape) - 1 and all(
        b in (None, a) for a, b in zip(given, shape[1:], strict=True)
    )


def _way_out(flat: list[np.ndarray], wanted: list[tuple[int | None, ...]]) -> str:
    lacking = any(_lacks_batch_axis(x.shape, shape) for x, shape in zip(flat, wanted, strict=True))
    return _ADD_AXIS if lacking else ""


def _shapes(flat: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [each.shape for each in flat]


def _fits(array: np.ndarray, shape: tuple[int | None, ...]) -> bool:
    given = array.shape
    if len(given) == len(shape) + 1 and given[-1] == 1:  # Keras takes a last axis of 1 away
        given = given[:-1]
    elif len(given) == len(shape) - 1 and shape[-1] == 1:  # or adds it
        given = (*given, 1)
    if len(given) != len(shape):
        return False
    return all(b in (None, a) for a, b in zip(given[1:], shape[1:], strict=True))


@contextmanager
def errors_of_users(model: Any, flat: list[np.ndarray]) -> Iterator[None]:
    """Say in one sentence on what a model could not be called, whatever its layers raise.

    Raises:
        ValueError: for every error inside this block.
    """
    try:
        yield
    except Exception as error:  # whatever a user's own `call`, or a backend, raises
        said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras writes in bold
        raise ValueError(
            f"Model {model.name!r} cannot be sampled on inputs of shapes {_shapes(flat)} and "
            f"dtypes {[each.dtype.name for each in flat]}: {said}"
        ) from error


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
    except (ValueError, TypeError) as error:  # lists of several lengths, ragged tensors
        raise invalid("x", "an array, or a structure of arrays, as the model takes", x) from error
    if array.dtype.kind in "US" or (array.dtype == object and _holds_strings(array)):
        return array.astype(object)  # which TensorFlow takes for strings
    if array.dtype.kind not in "biuf":
        raise invalid("x", "arrays of numbers or strings", array.dtype.name)
    return array


def _holds_strings(array: np.ndarray) -> bool:
    return all(isinstance(each, str | bytes) for each in array.ravel())
