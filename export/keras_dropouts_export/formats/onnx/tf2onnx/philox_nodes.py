"""Writes the generator Philox 4x32-10 in plain ONNX operations, bit for bit as Keras draws.

How words of 32 bits are computed is in word_arithmetic.py, and which bits a decision has is told in
keras_dropouts/noise/stream.py. What depends on the block index alone, or on the seed alone, stays a
row or a column until the two meet. A runtime takes a tenth of a millisecond to load each node, so
most rounds are a loop where the runtimes have loops, and sizes stay vectors of one number.

Reference: Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import TensorProto, helper

from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import Builder, Words, Words64

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MEETING = 2  # rounds after which all words have one shape, as OpenVINO wants a loop's states
_RUN = 32  # decisions that share the lower 16 of their 24 bits
_IN_WORD = 4  # decisions whose own bits a word holds


class Rows(NamedTuple):
    """Names of what is drawn: int64, `seeds` of shape (rows,) and the others of shape (1,).

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
    return compute.upper_23(_first(builder, drawn, rows.numbers))


def philox_decisions(
    builder: Builder,
    key: tuple[int, int],
    rows: Rows,
    below: str,
    arithmetic: type[Words] = Words64,
) -> str:
    """Add nodes that tell which decisions of 24 bits are at least the threshold `below`.

    below: an int32 vector of one number from 0 to 2**24 - 1; the others as for `philox_numbers`.
    The result is boolean, of shape (rows, samples, numbers).
    """
    add = builder.node
    compute = arithmetic(builder)
    own = _parts(builder, rows.numbers, _IN_WORD)
    # The bits that two runs share are in one word.
    pairs = _parts(builder, rows.numbers, 2 * _RUN)
    ends = add("Add", [own, pairs])
    drawn = _drawn(compute, key, rows, ends)
    shared = add("Slice", [drawn, own, ends, _longs(builder, 2)])
    limits = _limits(compute, shared, below)
    limits = _first(builder, _by_sample(builder, limits, rows, pairs, 2 * _RUN // _IN_WORD), own)
    owned = compute.bytes(_first(builder, drawn, own))
    keep = _columns(builder, [add("GreaterOrEqual", [part, limits]) for part in owned])
    whole = _by_sample(builder, keep, rows, own, _IN_WORD)
    return _first(builder, whole, rows.numbers)


def _limits(compute: Words, shared: str, below: str) -> str:
    """Return the thresholds of words' bytes, int32 of shape (rows, samples, pairs, 2, words)."""
    builder, add = compute.builder, compute.builder.node
    low = add("BitwiseAnd", [below, builder.constant(np.array(0xFFFF, np.int32))])
    high = add("Div", [add("Sub", [below, low]), builder.constant(np.array(2**16, np.int32))])
    halves = _columns(builder, compute.halves(shared))
    more = add("Cast", [add("Less", [halves, low])], to=TensorProto.INT32)
    # Side by side with itself: onnxruntime takes four times as long to expand it.
    return _columns(builder, [add("Add", [more, high])] * (_RUN // _IN_WORD))


def _drawn(compute: Words, key: tuple[int, int], rows: Rows, count: str) -> str:
    """Return whole blocks that hold `count` words for each sample: (rows, samples, words)."""
    builder = compute.builder
    blocks = _parts(builder, count, 4)
    words = _rounds(compute, key, _start(compute, rows, blocks))
    return _by_sample(builder, _columns(builder, words), rows, blocks, 4)


def _parts(builder: Builder, count: str, size: int) -> str:
    """Return how many parts of a size hold so many numbers."""
    rounded = builder.node("Add", [count, _longs(builder, size - 1)])
    return str(builder.node("Div", [rounded, _longs(builder, size)]))


def _columns(builder: Builder, parts: list[str]) -> str:
    """Return parts side by side along a new last axis, which comes this late for a reason.

    onnxruntime computes a tensor whose last axis has length 1 with a scalar number by number.
    """
    axis = _longs(builder, -1)
    columns = {each: builder.node("Unsqueeze", [each, axis]) for each in dict.fromkeys(parts)}
    return str(builder.node("Concat", [columns[each] for each in parts], axis=-1))


def _by_sample(builder: Builder, numbers: str, rows: Rows, parts: str, size: int) -> str:
    """Return parts of a size as one axis: shape (rows, samples, parts * size)."""
    # No -1 in the shape: a batch may be empty.
    length = builder.node("Mul", [parts, _longs(builder, size)])
    sizes = [builder.node("Shape", [rows.seeds]), rows.samples, length]
    shape = builder.node("Concat", sizes, axis=0)
    return str(builder.node("Reshape", [numbers, shape], allowzero=1))


def _first(builder: Builder, x: str, end: str) -> str:
    return str(builder.node("Slice", [x, _longs(builder, 0), end, _longs(builder, 2)]))


def _start(compute: Words, rows: Rows, blocks: str) -> list[str]:
    """Return the four words of the counter: two of shape (1, n) and two of (rows, 1)."""
    builder = compute.builder
    add = builder.node
    first = add("Mul", [rows.first_sample, blocks])
    end = add("Add", [first, add("Mul", [rows.samples, blocks])])
    index = add("Range", [add("Squeeze", [first]), add("Squeeze", [end]), _long(builder, 1)])
    return [
        word
        for numbers, axis in ((index, 0), (rows.seeds, 1))
        for word in compute.words_of(add("Unsqueeze", [numbers, _longs(builder, axis)]))
    ]


def _rounds(compute: Words, key: tuple[int, int], words: list[str]) -> list[str]:
    """Return the words after all rounds."""
    written_out = _MEETING if compute.loops else _ROUNDS
    for i in range(written_out):
        words = _round(compute, words, [compute.word(each) for each in _keys(key, i)])
    if compute.loops:
        words = _looped_rounds(compute, _keys(key, written_out), words, _ROUNDS - written_out)
    return words


def _keys(key: tuple[int, int], number: int) -> list[int]:
    """Return the key of a round."""
    return [(word + number * step) % 2**32 for word, step in zip(key, _KEY_STEPS, strict=True)]


def _looped_rounds(compute: Words, key: list[int], words: list[str], count: int) -> list[str]:
    """Return the words after so many rounds more, from a loop whose body is one round."""
    builder = compute.builder
    inside = builder.inside()
    names = [inside.name(each) for each in ("round", "more", "w0", "w1", "w2", "w3", "k0", "k1")]
    number, more, *state = names
    within = type(compute)(inside)
    keys = [
        inside.node("Add", [each, within.word(step)])
        for each, step in zip(state[4:], _KEY_STEPS, strict=True)
    ]
    goes_on = inside.node("Identity", [more])
    changed = [*_round(within, state[:4], state[4:]), *keys]
    scalars = (TensorProto.INT64, TensorProto.BOOL)
    given = [
        helper.make_tensor_value_info(name, dtype, [])
        for name, dtype in zip((number, more), scalars, strict=True)
    ]
    given += [helper.make_tensor_value_info(name, compute.dtype, None) for name in state]
    made = [
        helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []),
        *(helper.make_tensor_value_info(name, compute.dtype, None) for name in changed),
    ]
    body = helper.make_graph(inside.nodes, "round", given, made)
    rounds = [_long(builder, count), builder.constant(np.array(True))]
    start = [*words, *(compute.word(each) for each in key)]
    return list(builder.node("Loop", [*rounds, *start], len(start), body=body)[:4])


def _round(compute: Words, words: list[str], keys: list[str]) -> list[str]:
    """Return the words after one round."""
    (high0, low0), (high1, low1) = (compute.product(words[2 * j], _MULTIPLIERS[j]) for j in (0, 1))
    return [
        compute.xor(compute.xor(high1, keys[0]), words[1]),
        low1,
        compute.xor(high0, compute.xor(words[3], keys[1])),
        low0,
    ]


def _long(builder: Builder, value: int) -> str:
    return builder.constant(np.array(value, np.int64))


def _longs(builder: Builder, *values: int) -> str:
    return builder.constant(np.array(values, np.int64))
