"""Writes the generator Philox 4x32-10 in plain ONNX operations, bit for bit as Keras draws.

Opset 18 is the first that has bitwise operations. Products of two 32-bit words are taken in uint64;
everything else stays in uint32, where it costs half the memory. What depends on the block index
alone, or on the sample alone, stays a row or a column until the two meet in the second round.

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


class Counter(NamedTuple):
    """Names of int64 scalars: a draw is a function of them and of the block index."""

    batch: str
    tag: str
    first_sample: str


def philox(
    builder: Builder, seed: str, counter: Counter, samples: str, count: str, width: int
) -> str:
    """Add nodes that draw `count` integers of `width` bits for each sample; return the result.

    seed: int64 scalar, both words of the key; samples and count: int64 scalars; width: 16, 23
    or 32. The result has the shape (samples, count); int32, or int64 with a width of 32.
    """
    add = builder.node
    per_block = 8 if width == 16 else 4
    rounded = add("Add", [count, _long(builder, per_block - 1)])
    blocks = add("Div", [rounded, _long(builder, per_block)])
    words = _rounds(builder, _key_words(builder, seed), _start(builder, counter, samples, blocks))
    parts = [part for word in words for part in _numbers(builder, word, width)]
    axis = builder.constant(np.array([2]))
    whole = add("Concat", [add("Unsqueeze", [part, axis]) for part in parts], axis=2)
    # Not -1 for the length: a batch may be empty.
    length = add("Mul", [blocks, _long(builder, per_block)])
    zero = builder.constant(np.array([0]))
    shape = add("Concat", [add("Unsqueeze", [x, zero]) for x in (samples, length)], axis=0)
    flat = add("Reshape", [whole, shape], allowzero=1)
    end = add("Unsqueeze", [count, zero])
    return str(add("Slice", [flat, zero, end, builder.constant(np.array([1]))]))


def _key_words(builder: Builder, seed: str) -> list[list[str]]:
    """Return the words of the key in every round: key + round * step, modulo 2**32."""
    whole = builder.node("Cast", [seed], to=TensorProto.UINT64)
    schedules = []
    for shift, step in zip((0, 32), _KEY_STEPS, strict=True):
        word = _shifted(builder, whole, shift) if shift else whole
        steps = np.array([step * i % 2**32 for i in range(_ROUNDS)], np.uint64)
        keys = builder.node("Add", [word, builder.constant(steps)])
        low = builder.node("BitwiseAnd", [keys, _word64(builder, 2**32 - 1)])
        words = builder.node("Cast", [low], to=TensorProto.UINT32)
        schedules.append(
            builder.node("Split", [words], outputs=_ROUNDS, axis=0, num_outputs=_ROUNDS)
        )
    return schedules


def _start(builder: Builder, counter: Counter, samples: str, blocks: str) -> list[str]:
    """Return the four words of the counter, uint32: of shapes (1, blocks), (), () and (T, 1)."""
    add = builder.node
    zero, one = _long(builder, 0), _long(builder, 1)
    index = add("Unsqueeze", [add("Range", [zero, blocks, one]), builder.constant(np.array([0]))])
    last = add("Add", [counter.first_sample, samples])
    numbers = add("Range", [counter.first_sample, last, one])
    column = add("Unsqueeze", [numbers, builder.constant(np.array([1]))])
    return [
        add("Cast", [word], to=TensorProto.UINT32)
        for word in (index, counter.batch, counter.tag, column)
    ]


def _rounds(builder: Builder, keys: list[list[str]], words: list[str]) -> list[str]:
    add = builder.node
    for i in range(_ROUNDS):
        (high0, low0), (high1, low1) = (
            _product(builder, words[2 * j], _MULTIPLIERS[j]) for j in (0, 1)
        )
        words = [
            add("BitwiseXor", [high1, add("BitwiseXor", [words[1], keys[0][i]])]),
            low1,
            add("BitwiseXor", [high0, add("BitwiseXor", [words[3], keys[1][i]])]),
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
