"""Writes the generator Philox 4x32-10 in plain ONNX operations, bit for bit as Keras draws.

How words of 32 bits are computed is in word_arithmetic.py, and which bits a decision has is told in
keras_dropouts/noise/stream.py. What depends on the block index alone, or on the seed alone, stays a
row or a column until the two meet.

Reference: Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import Builder, Words, Words64

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_RUN = 32  # decisions that share the lower 16 of their 24 bits
_IN_WORD = 4  # decisions whose own bits a word holds


class Rows(NamedTuple):
    """Names of what is drawn: int64, `seeds` of shape (rows,) and scalars.

    numbers: how many a sample of a row takes.
    """

    seeds: str
    first_sample: str
    samples: str
    numbers: str


def philox_numbers(
    builder: Builder, key: tuple[int, int], rows: Rows, arithmetic: type[Words] = Words64
) -> str:
    """Add nodes that draw the upper 23 bits of words, int32 of shape (rows, samples, numbers).

    key: two words of 32 bits; arithmetic: how words are computed.
    """
    compute = arithmetic(builder)
    drawn = _drawn(compute, key, rows, rows.numbers)
    return compute.upper_23(_sliced(builder, drawn, 2, _long(builder, 0), rows.numbers))


def philox_decisions(
    builder: Builder,
    key: tuple[int, int],
    rows: Rows,
    below: str,
    arithmetic: type[Words] = Words64,
) -> str:
    """Add nodes that tell which decisions of 24 bits are at least the threshold `below`.

    below: an int32 scalar from 0 to 2**24 - 1; the others as for `philox_numbers`. The result is
    boolean, of shape (rows, samples, numbers).
    """
    add = builder.node
    compute = arithmetic(builder)
    own = _parts(builder, rows.numbers, _IN_WORD)
    runs = _parts(builder, rows.numbers, _RUN)
    ends = add("Add", [own, _parts(builder, runs, 2)])
    drawn = _drawn(compute, key, rows, ends)
    limits = _limits(compute, _sliced(builder, drawn, 2, own, ends), below, rows, runs)
    limits = _sliced(builder, limits, 2, _long(builder, 0), own)
    owned = _sliced(builder, drawn, 2, _long(builder, 0), own)
    keep = [add("GreaterOrEqual", [part, limits]) for part in compute.bytes(owned)]
    whole = _interleaved(builder, keep, rows, add("Mul", [own, _long(builder, _IN_WORD)]))
    return _sliced(builder, whole, 2, _long(builder, 0), rows.numbers)


def _limits(compute: Words, drawn: str, below: str, rows: Rows, runs: str) -> str:
    """Return the threshold of each word's bytes, int32, from the words with the shared bits."""
    builder, add = compute.builder, compute.builder.node
    bits = builder.constant(np.array(0xFFFF, np.int32))
    low = add("BitwiseAnd", [below, bits])
    high = add("Div", [add("Sub", [below, low]), builder.constant(np.array(2**16, np.int32))])
    length = add("Mul", [_parts(builder, runs, 2), _long(builder, 2)])
    halves = _interleaved(builder, compute.halves(drawn), rows, length)
    halves = _sliced(builder, halves, 2, _long(builder, 0), runs)
    more = add("Cast", [add("Less", [halves, low])], to=TensorProto.INT32)
    limits = add("Unsqueeze", [add("Add", [more, high]), builder.constant(np.array([3]))])
    words = builder.constant(np.array([1, 1, 1, _RUN // _IN_WORD]))
    repeated = add("Expand", [limits, words])
    return str(_by_sample(builder, repeated, rows, add("Mul", [runs, _long(builder, 8)])))


def _drawn(compute: Words, key: tuple[int, int], rows: Rows, count: str) -> str:
    """Return whole blocks that hold `count` words for each sample: (rows, samples, words)."""
    builder = compute.builder
    blocks = _parts(builder, count, 4)
    words = _rounds(compute, key, _start(compute, rows, blocks))
    return _interleaved(builder, words, rows, builder.node("Mul", [blocks, _long(builder, 4)]))


def _parts(builder: Builder, count: str, size: int) -> str:
    """Return how many parts of a size hold so many numbers."""
    rounded = builder.node("Add", [count, _long(builder, size - 1)])
    return str(builder.node("Div", [rounded, _long(builder, size)]))


def _interleaved(builder: Builder, parts: list[str], rows: Rows, length: str) -> str:
    """Return numbers of each part in turn, of shape (rows, samples, length)."""
    axis = builder.constant(np.array([-1]))
    split = [builder.node("Unsqueeze", [part, axis]) for part in parts]
    return _by_sample(builder, builder.node("Concat", split, axis=-1), rows, length)


def _by_sample(builder: Builder, numbers: str, rows: Rows, length: str) -> str:
    # No -1 in the shape: a batch may be empty.
    zero = builder.constant(np.array([0]))
    sizes = [builder.node("Unsqueeze", [x, zero]) for x in (rows.samples, length)]
    shape = builder.node("Concat", [builder.node("Shape", [rows.seeds]), *sizes], axis=0)
    return str(builder.node("Reshape", [numbers, shape], allowzero=1))


def _sliced(builder: Builder, x: str, axis: int, start: str, end: str) -> str:
    zero = builder.constant(np.array([0]))
    bounds = [builder.node("Unsqueeze", [each, zero]) for each in (start, end)]
    return str(builder.node("Slice", [x, *bounds, builder.constant(np.array([axis]))]))


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
