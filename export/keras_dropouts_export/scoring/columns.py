"""Turns columns of tables into the inputs of an ONNX file, and its outputs into columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.scoring.model_values import ModelValue
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer


def columns_of(value: ModelValue, names: Collection[str], where: str) -> list[str]:
    """Return the columns that an input is made of: the one of its name, or one for each number.

    An input `features` of shape (batch, 3) for which there is no column of that name is made of
    `features_0`, `features_1` and `features_2`. Those of more dimensions lie in row-major order.

    Raises:
        ValueError: naming the table `where`, if they are missing.
    """
    if value.name in names:
        return [value.name]
    wanted = [] if value.is_scalar or not value.size else spread(value.name, value.size)
    if wanted and set(wanted) <= set(names):
        return wanted
    either = f", or columns {wanted[0]!r} to {wanted[-1]!r}," if wanted else ""
    expected = f"a table with a column {value.name!r}{either} for the input {value}"
    raise invalid("data", expected, where, f"Its columns are {shown(names)}.")


def spread(name: str, size: int) -> list[str]:
    """Return the names of the columns that hold the numbers of a row, one each."""
    return [f"{name}_{number}" for number in range(size)]


def shown(names: Collection[str]) -> str:
    """Return names for an error: the first ones, and how many more there are."""
    first = ", ".join(repr(name) for name in list(names)[:8])
    return f"{first} and {len(names) - 8} more" if len(names) > 8 else first or "none"


def check_free(outputs: Sequence[str], names: Collection[str], where: str) -> None:
    """Raise a clear error if a column has the name of an output.

    Raises:
        ValueError: naming the table `where` and the columns.
    """
    taken = [name for name in outputs if name in names]
    if taken:
        expected = f"a table without the columns {shown(taken)}, which the outputs are to be"
        way_out = "Rename them, or leave the columns of the table out (`outputs_only=True`, on the "
        raise invalid("data", expected, where, f"{way_out}command line `--outputs-only`).")


def dense(values: Any) -> np.ndarray:
    """Return a column as one array: of numbers as it is, of lists of one length stacked.

    Raises:
        ValueError, TypeError: if the lists have several lengths, or a value is missing.
    """
    array = np.asarray(values)
    if array.dtype != object:
        return array
    if any(each is None for each in array):
        raise ValueError("it has missing values")
    return np.stack([dense(each) for each in array]) if len(array) else np.zeros(0)


def inputs_of(scorer: OnnxScorer, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the inputs of a scorer from columns: arrays, or lists of numbers or of lists.

    Raises:
        ValueError: if a column is missing or holds anything but numbers.
    """
    found = {}
    for value in scorer.inputs:
        names = columns_of(value, columns.keys(), "a batch of the data")
        try:
            parts = [dense(columns[name]) for name in names]
            found[value.name] = parts[0] if len(parts) == 1 else np.stack(parts, axis=1)
        except (TypeError, ValueError) as error:
            expected = f"columns {shown(names)} of numbers, in lists of one length where in lists"
            raise invalid("data", expected, "a batch of the data", f"Here {error}.") from error
    return found


def flat_outputs(scorer: OnnxScorer, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return outputs as columns: those of shape (batch, 1) as numbers, others as they are."""
    ranks = {value.name: value for value in scorer.outputs}
    return {name: x.reshape(len(x)) if ranks[name].is_scalar else x for name, x in outputs.items()}


def scored_columns(
    scorer: OnnxScorer, columns: Mapping[str, Any], row_numbers: str | None
) -> dict[str, Any]:
    """Return columns with those of the outputs added; `row_numbers` numbers the rows.

    Raises:
        ValueError: if a column is missing, does not fit, or has the name of an output.
    """
    where = "a batch of the data"
    check_free([value.name for value in scorer.outputs], columns.keys(), where)
    if row_numbers is not None and row_numbers not in columns:
        expected = f"the name of a column of integers, out of {shown(columns.keys())}"
        raise invalid("row_numbers", expected, row_numbers)
    numbers = None if row_numbers is None else np.asarray(columns[row_numbers])
    outputs = scorer(inputs_of(scorer, columns), row_numbers=numbers)
    return {**columns, **flat_outputs(scorer, outputs)}
