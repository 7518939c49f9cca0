"""Writes the generator Philox 4x32-10 in plain ONNX operations, bit for bit as Keras draws.

How words of 32 bits are computed is in word_arithmetic.py. What depends on the block index alone,
or on the seed alone, stays a row or a column until the two meet.

Reference: Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import Builder, Words, Words64

WIDTHS = (16, 23, 32)

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class Rows(NamedTuple):
    """Names of what is drawn: int64, `seeds` of shape (rows,) and scalars.

    numbers: how many a sample of a row takes.
    """

    seeds: str
    first_sample: str
    samples: str
    numbers: str


def philox(
    builder: Builder,
    key: tuple[int, int],
    rows: Rows,
    width: int,
    arithmetic: type[Words] = Words64,
) -> str:
    """Add nodes that draw `count` integers of `width` bits for each row and sample.

    key: two words of 32 bits; width: 16, 23 or 32; arithmetic: how words are computed. The result,
    whose name is returned, has the shape (rows, samples, count). It is int32, or int64 with a width
    of 32.
    """
    add = builder.node
    per_block = 8 if width == 16 else 4
    rounded = add("Add", [rows.numbers, _long(builder, per_block - 1)])
    blocks = add("Div", [rounded, _long(builder, per_block)])
    compute = arithmetic(builder)
    words = _rounds(compute, key, _start(compute, rows, blocks))
    parts = [part for word in words for part in compute.numbers(word, width)]
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


def _start(compute: Words, rows: Rows, blocks: str) -> list[str]:
    """Return the four words of the counter: two of shape (1, n) and two of (rows, 1)."""
    builder = compute.builder
    add = builder.node
    first = add("Mul", [rows.first_sample, blocks])
    end = add("Add", [first, add("Mul", [rows.samples, blocks])])
    index = add("Range", [first, end, _long(builder, 1)])
    return [
        add("Unsqueeze", [word, builder.constant(np.array([axis]))])
        for words, axis in ((index, 0), (rows.seeds, 1))
        for word in compute.words_of(words)
    ]


def _rounds(compute: Words, key: tuple[int, int], words: list[str]) -> list[str]:
    for i in range(_ROUNDS):
        keys = [
            compute.word((word + i * step) % 2**32)
            for word, step in zip(key, _KEY_STEPS, strict=True)
        ]
        (high0, low0), (high1, low1) = (
            compute.product(words[2 * j], _MULTIPLIERS[j]) for j in (0, 1)
        )
        words = [
            compute.xor(compute.xor(high1, keys[0]), words[1]),
            low1,
            compute.xor(high0, compute.xor(words[3], keys[1])),
            low0,
        ]
    return words


def _long(builder: Builder, value: int) -> str:
    return builder.constant(np.array(value, np.int64))
