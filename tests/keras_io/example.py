"""What an entry of this zoo is: a model, and what has to be known to ask it something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

Make = Callable[[], keras.Model]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
WORDS = np.array(["red", "green", "blue", "of another vocabulary", ""])


@dataclass(frozen=True)
class Example:
    """A model after a public example, written anew and small.

    make: makes it; integers: what integers of its inputs are drawn below; lengths: two sizes of
    every dynamic dimension but the batch; draw: by the name of an input, what draws it where
    numbers of any kind would not do; signature: the `input_signature` of an export, where the
    model does not tell it; fixed: whether its batch is fixed; refused: by what is asked ("onnx",
    "saved_model", "samples"), a part of the sentence that refuses it and is expected.
    """

    make: Make
    integers: int = 10
    lengths: tuple[int, int] = (8, 13)
    draw: Mapping[str, Draw] = field(default_factory=dict)
    signature: Any = None
    fixed: int | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


ZOO: dict[str, Example] = {}


def example(**arguments: Any) -> Callable[[Make], Make]:
    """Put a model into the zoo under the name of the function that makes it."""

    def add(make: Make) -> Make:
        assert make.__name__ not in ZOO, make.__name__
        ZOO[make.__name__] = Example(make, **arguments)
        return make

    return add


def positions(low: int, high: int, dtype: str = "int32") -> Draw:
    """Return what draws integers from `low` to `high`, which is left out."""
    return lambda random, shape: random.integers(low, high, shape).astype(dtype)


def words(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return words, some of which no vocabulary has."""
    return random.choice(WORDS, shape).astype(object)


def ones_first(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return masks that are true up to a length of each row, which is at least one."""
    lengths = random.integers(1, shape[-1] + 1, (*shape[:-1], 1))
    return np.broadcast_to(np.arange(shape[-1]) < lengths, shape).copy()
