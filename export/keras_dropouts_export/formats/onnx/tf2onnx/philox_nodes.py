"""Writes the generator Philox 4x32-10 in plain ONNX operations, bit for bit as Keras draws.

Opset 18 is the first that has bitwise operations. Products of two 32-bit words are taken in uint64;
everything else stays in uint32, where it costs half the memory. What depends on the block index
alone, or on the seed alone, stays a row or a column until the two meet.

Reference: Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from onnx import TensorProto

MINIMUM_OPSET = 18
WIDTHS = (16, 23, 32)

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class Builder(Protocol):
    """What makes nodes: returns the name of a node's output, or a list of names for several."""

    def node(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Any:
        """Add a node."""

    def constant(self, value: np.ndarray) -> str:
        """Add a constant and return its name."""


class Rows(NamedTuple):
    """Names of what is drawn: int64, `seeds` of shape (rows,) and scalars.

    numbers: how many a sample of a row takes.
    """

    seeds: str
    first_sample: str
    samples: str
    numbers: str


def philox(builder: Builder, key: tuple[int, int], rows: Rows, width: int) -> str:
    """Add nodes that draw `count` integers of `width` bits for each row and sample.

    key: two words of 32 bits; width: 16, 23 or 32. The result, whose name is returned, has the
    shape (rows, samples, count); int32, or int64 with a width of 32.
    """
    add = builder.node
    per_block = 8 if width == 16 else 4
    rounded = add("Add", [rows.numbers, _long(builder, per_block - 1)])
    blocks = add("Div", [rounded, _long(builder, per_block)])
    words = _rounds(builder, key, _start(builder, rows, blocks))
    parts = [part for word in words for part in _numbers(builder, word, width)]
    axis = builder.constant(np.array([2]))
    whole = add("Concat", [add("Unsqueeze", [part, axis]) for part in parts], axis=2)
    # No -1 in the shape: a batch may be empty.
    length = add("Mul", [blocks, _long(builder, per_block)])
    zero = builder.constant(np.array([0]))
    sizes = [add("Unsqueeze", [x, zero]) for x in (rows.samples, length)]
    shape = add("Concat", [add("Shape", [rows.seeds]), *sizes], axis=0)
    by_sample = add("Reshape", [whole, shape], allowzero=1)
    end = add("Unsqueeze", [rows.numbers, zero])
    return str(add("Slice", [by_sample, zero, end, axis]))


def _start(builder: Builder, rows: Rows, blocks: str) -> list[str]:
    """Return the four words of the counter, uint32: two of shape (1, n) and two of (rows, 1)."""
    add = builder.node
    first = add("Mul", [rows.first_sample, blocks])
    end = add("Add", [first, add("Mul", [rows.samples, blocks])])
    index = add("Range", [first, end, _long(builder, 1)])
    found = []
    for words, axis in ((index, 0), (rows.seeds, 1)):
        wide = add("Cast", [words], to=TensorProto.UINT64)
        for part in (
            add("BitwiseAnd", [wide, _word64(builder, 2**32 - 1)]),
            _shifted(builder, wide, 32),
        ):
            word = add("Cast", [part], to=TensorProto.UINT32)
            found.append(add("Unsqueeze", [word, builder.constant(np.array([axis]))]))
    return found


def _rounds(builder: Builder, key: tuple[int, int], words: list[str]) -> list[str]:
    add = builder.node
    for i in range(_ROUNDS):
        keys = [
            builder.constant(np.array((word + i * step) % 2**32, np.uint32))
            for word, step in zip(key, _KEY_STEPS, strict=True)
        ]
        (high0, low0), (high1, low1) = (
            _product(builder, words[2 * j], _MULTIPLIERS[j]) for j in (0, 1)
        )
        words = [
            add("BitwiseXor", [add("BitwiseXor", [high1, keys[0]]), words[1]]),
            low1,
            add("BitwiseXor", [high0, add("BitwiseXor", [words[3], keys[1]])]),
            low0,
        ]
    return words


def _product(builder: Builder, word: str, multiplier: int) -> tuple[str, str]:
    """Return the high and the low word of a product."""
    wide = builder.node("Cast", [word], to=TensorProto.UINT64)
    product = builder.node("Mul", [wide, _word64(builder, multiplier)])
    high = builder.node("Cast", [_shifted(builder, product, 32)], to=TensorProto.UINT32)
    # In uint32, which wraps: cheaper than to mask the product.
    factor = builder.constant(np.array(multiplier, np.uint32))
    return high, builder.node("Mul", [word, factor])


def _numbers(builder: Builder, word: str, width: int) -> list[str]:
    """Return the numbers that a word holds, in their order."""
    cast: Callable[..., str] = builder.node
    if width == 32:
        return [cast("Cast", [word], to=TensorProto.INT64)]
    if width == 23:
        nine = builder.constant(np.array(9, np.uint32))
        shifted = builder.node("BitShift", [word, nine], direction="RIGHT")
        return [cast("Cast", [shifted], to=TensorProto.INT32)]
    half = builder.constant(np.array(16, np.uint32))
    mask = builder.constant(np.array(0xFFFF, np.uint32))
    low = builder.node("BitwiseAnd", [word, mask])
    high = builder.node("BitShift", [word, half], direction="RIGHT")
    return [cast("Cast", [part], to=TensorProto.INT32) for part in (low, high)]


def _shifted(builder: Builder, word: str, bits: int) -> str:
    return str(builder.node("BitShift", [word, _word64(builder, bits)], direction="RIGHT"))


def _word64(builder: Builder, value: int) -> str:
    return builder.constant(np.array(value, np.uint64))


def _long(builder: Builder, value: int) -> str:
    return builder.constant(np.array(value, np.int64))
