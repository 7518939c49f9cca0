"""Philox 4x32-10 as the paper has it, which tests compare random words and decisions with."""

import numpy as np


def philox(key, counter):
    """Return the four words of Philox 4x32-10, in Python's integers, from the paper."""
    key, counter = list(key), list(counter)
    for _ in range(10):
        first, second = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [
            (second >> 32) ^ counter[1] ^ key[0],
            second & 0xFFFFFFFF,
            (first >> 32) ^ counter[3] ^ key[1],
            first & 0xFFFFFFFF,
        ]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def words(key, upper, count, first=0):
    """Return words, uint32: `count` of the blocks from the first one on; upper: a counter's."""
    blocks = range(first, first + -(-count // 4))
    drawn = [word for i in blocks for word in philox(key, (i & 0xFFFFFFFF, i >> 32, *upper))]
    return np.array(drawn, "uint32")[:count]


def words_of_decisions(count):
    """Return how many words so many decisions take: for their own and for their shared bits."""
    runs = -(-count // 32)
    return -(-count // 4), -(-runs // 2)


def decisions(drawn, count):
    """Return the numbers of 24 bits that are compared with a rate, from the words of a draw."""
    own, shared = words_of_decisions(count)
    upper = drawn[:own].astype("<u4").view("u1")[:count].astype("int64")
    lower = drawn[own : own + shared].astype("<u4").view("<u2").astype("int64")
    return upper << 16 | np.repeat(lower, 32)[:count]
