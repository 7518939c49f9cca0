"""Makes the seeds of rows from one seed, so that a row has its own wherever it is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropouts.arguments import check_int64, check_integer, invalid

_STEP = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd


def row_seeds(seed: int, rows: int, first: int = 0) -> np.ndarray:
    """Return the seeds of `rows` rows of data, from the row with the number `first` on.

    The seed of a row is a function of `seed` and of the row's number alone, so the parts of data
    that is spread over batches, shards or machines can each be given theirs. The rows of one
    `seed` all have other seeds. It is two applications of SplitMix64, in integers modulo 2**64::

        mix(z):        z += 0x9E3779B97F4A7C15
                       z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
                       z = (z ^ (z >> 27)) * 0x94D049BB133111EB
                       return z ^ (z >> 31)
        seed of row i: mix(mix(seed) + i * 0x9E3779B97F4A7C15), taken as a signed integer

    Args:
        seed: Any integer of 64 bits, from `-2**63` to `2**63 - 1`.
        rows: The number of rows, an integer not below 0.
        first: The number of the first row in the data, an integer not below 0.

    Returns:
        An int64 array of shape (rows,), for `mc_predict(..., row_seeds=)` and for the input `seed`
        of an exported artifact.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:

    >>> import keras_dropouts as kd
    >>> kd.row_seeds(7, 3)
    array([-5137267319001854395, -6461814455296669442, -8312576501255826789])
    >>> kd.row_seeds(7, 1, first=2)
    array([-8312576501255826789])

    Reference:
        Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators".
    """
    check_int64(seed, "seed")
    count, begin = check_integer(rows, "rows"), check_integer(first, "first")
    if begin + count > 2**63:
        raise invalid("first", f"an integer with first + rows up to 2**63, for {count} rows", first)
    return seeds_of_numbers(seed, np.uint64(begin) + np.arange(count, dtype=np.uint64))


def seeds_of_numbers(seed: int, numbers: np.ndarray) -> np.ndarray:
    """Return the seeds that `row_seeds` makes of `seed` for rows of any numbers, in any order.

    numbers: an array of integers from 0 to 2**63 - 1, of shape (rows,).

    Raises:
        ValueError: if `seed` is no integer of 64 bits.
    """
    start = np.array([check_int64(seed, "seed")], np.int64).view(np.uint64)
    return _mixed(_mixed(start) + numbers.astype(np.uint64) * _STEP).view(np.int64)


def _mixed(z: np.ndarray) -> np.ndarray:
    z = z + _STEP
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def check_row_seeds(value: Any, rows: int | None = None) -> np.ndarray:
    """Return seeds of rows as an int64 array, if they are integers of 64 bits, one for a row.

    rows: how many there must be; None: not known yet.

    Raises:
        ValueError: if they are not.
    """
    count = "" if rows is None else f"({rows},)"
    expected = f"an array of integers of 64 bits, of shape {count or '(rows,)'}"
    try:
        given = np.asarray(value)
    except (TypeError, ValueError) as error:  # lists of several lengths
        raise invalid("row_seeds", expected, value) from error
    fits = given.dtype.kind == "i" or (given.dtype.kind == "u" and given.dtype.itemsize < 8)
    if given.ndim != 1 or not fits or rows not in (None, len(given)):
        shown = f"{given.dtype.name} of shape {given.shape}"
        raise invalid("row_seeds", expected, shown, "`kd.row_seeds` makes them of one seed.")
    return given.astype(np.int64)
