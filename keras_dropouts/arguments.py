"""Checks of what a user passes in: one shape of error message for the whole project."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any


def invalid(argument: str, expected: str, received: Any, way_out: str = "") -> ValueError:
    """Return the error for a bad argument; the caller raises it."""
    message = (
        f"Invalid value for argument `{argument}`. Expected {expected}. "
        f"Received: {argument}={_shown(received)}"
    )
    return ValueError(f"{message}. {way_out}" if way_out else message)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def is_real(value: Any) -> bool:
    """Return whether `value` is a real number (bool is not one)."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Return whether `value` is an integer (bool is not one)."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_rate(value: Any, argument: str = "rate") -> float:
    """Return `value` as a float if it is a probability."""
    if not is_real(value) or not 0.0 <= float(value) <= 1.0:  # NaN fails both comparisons
        raise invalid(argument, "a number from 0 to 1, the probability of dropping", value)
    return float(value)


def check_positive(value: Any, argument: str) -> float:
    """Return `value` as a float if it is a finite number above zero."""
    if not is_real(value) or not math.isfinite(value) or value <= 0:
        raise invalid(argument, "a finite number above 0", value)
    return float(value)


def check_integer(value: Any, argument: str, minimum: int = 0) -> int:
    """Return `value` as an int if it is an integer that is not below `minimum`."""
    if not is_integer(value) or value < minimum:
        raise invalid(argument, f"an integer not below {minimum}", value)
    return int(value)


def check_choice(value: Any, argument: str, choices: Iterable[Any]) -> Any:
    """Return `value` if it is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        raise invalid(argument, "one of " + ", ".join(repr(choice) for choice in choices), value)
    return value


def check_flag(value: Any, argument: str) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise invalid(argument, "True or False", value)
    return value


def check_seed(value: Any, argument: str = "seed") -> int | None:
    """Return `value` as an int if it is None or an integer from 0 to 2**63 - 1."""
    if value is None:
        return None
    if not is_integer(value) or not 0 <= value < 2**63:
        raise invalid(argument, "None or an integer from 0 to 2**63 - 1", value)
    return int(value)


def check_int64(value: Any, argument: str) -> int:
    """Return `value` as an int if it is an integer of 64 bits, which may be below 0."""
    if not is_integer(value) or not -(2**63) <= value < 2**63:
        raise invalid(argument, "an integer from -2**63 to 2**63 - 1", value)
    return int(value)


def gives_batches(x: Any) -> bool:
    """Return whether something is read in batches: a dataset, a loader or a generator."""
    is_data = isinstance(x, dict | list | tuple | str | bytes) or hasattr(x, "__array__")
    # A loader of Keras 3.10 has `__getitem__` alone, and NumPy would go through it without an end.
    reads = ("__next__", "__iter__", "__getitem__", "__call__")
    return not is_data and any(hasattr(x, name) for name in reads)
