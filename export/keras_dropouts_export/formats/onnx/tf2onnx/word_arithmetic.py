"""Computes words of 32 bits in ONNX operations: in 64 bits, or in signed integers of 32 bits alone.

Opset 18 is the first that has bitwise operations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
import onnx
from onnx import TensorProto

MINIMUM_OPSET = 18


class Builder(Protocol):
    """What makes nodes: returns the name of a node's output, or a list of names for several."""

    nodes: list[onnx.NodeProto]

    def node(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Any:
        """Add a node."""

    def constant(self, value: np.ndarray) -> str:
        """Add a constant and return its name."""

    def name(self, of: str) -> str:
        """Return a name that nothing else has."""

    def inside(self) -> Builder:
        """Return what makes the nodes of a subgraph."""


class Words(ABC):
    """Computes words of 32 bits. Each method adds nodes and returns the names of their results.

    dtype: that of a word, as ONNX numbers them; loops: whether the runtimes that this is for run
    loops right.
    """

    dtype: ClassVar[int]
    loops: ClassVar[bool]

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    @abstractmethod
    def word(self, value: int) -> str:
        """Return a constant word."""

    @abstractmethod
    def words_of(self, long: str) -> tuple[str, str]:
        """Return the low and the high word of int64 numbers."""

    @abstractmethod
    def product(self, word: str, multiplier: int) -> tuple[str, str]:
        """Return the high and the low word of a product."""

    @abstractmethod
    def upper_23(self, word: str) -> str:
        """Return the upper 23 bits of words, int32."""

    @abstractmethod
    def halves(self, word: str) -> list[str]:
        """Return the two halves of words, the low one first, int32."""

    @abstractmethod
    def bytes(self, word: str) -> list[str]:
        """Return the four bytes of words, the lowest first, int32."""

    def xor(self, left: str, right: str) -> str:
        """Return the bits in which two words differ."""
        return str(self.builder.node("BitwiseXor", [left, right]))


class Words64(Words):
    """Words in uint32, and products of two in uint64: the fastest where a runtime has both."""

    dtype = TensorProto.UINT32
    loops = True

    def word(self, value: int) -> str:
        return self.builder.constant(np.array(value, np.uint32))

    def words_of(self, long: str) -> tuple[str, str]:
        wide = self.builder.node("Cast", [long], to=TensorProto.UINT64)
        low = self.builder.node("BitwiseAnd", [wide, self._word64(2**32 - 1)])
        return self._narrow(low), self._narrow(self._shifted(wide, 32))

    def product(self, word: str, multiplier: int) -> tuple[str, str]:
        wide = self.builder.node("Cast", [word], to=TensorProto.UINT64)
        product = self.builder.node("Mul", [wide, self._word64(multiplier)])
        # The low word in uint32, which wraps: cheaper than to mask the product.
        low = self.builder.node("Mul", [word, self.word(multiplier)])
        return self._narrow(self._shifted(product, 32)), low

    def upper_23(self, word: str) -> str:
        return self._part(word, 9, 23)

    def halves(self, word: str) -> list[str]:
        return [self._part(word, place, 16) for place in (0, 16)]

    def bytes(self, word: str) -> list[str]:
        return [self._part(word, place, 8) for place in (0, 8, 16, 24)]

    def _part(self, word: str, place: int, width: int) -> str:
        """Return so many bits of words from a place on, int32."""
        if place:
            word = self.builder.node("BitShift", [word, self.word(place)], direction="RIGHT")
        if place + width < 32:
            word = self.builder.node("BitwiseAnd", [word, self.word(2**width - 1)])
        return str(self.builder.node("Cast", [word], to=TensorProto.INT32))

    def _narrow(self, word: str) -> str:
        return str(self.builder.node("Cast", [word], to=TensorProto.UINT32))

    def _shifted(self, word: str, bits: int) -> str:
        places = self._word64(bits)
        return str(self.builder.node("BitShift", [word, places], direction="RIGHT"))

    def _word64(self, value: int) -> str:
        return self.builder.constant(np.array(value, np.uint64))


class Words32(Words):
    """Words in int32, of which the bits count and not the sign, for runtimes with nothing wider.

    Products are made of halves of 16 bits. A product or a sum that does not fit wraps, as it does
    in every runtime that computes in 32 bits. What is divided is a multiple of the divisor with at
    most 23 bits left, so that a runtime that divides in float32 is exact, too. Seeds that are cut
    off to 32 bits are right from -2**31 to 2**31 - 1.
    """

    dtype = TensorProto.INT32
    loops = False  # OpenCV does not

    def word(self, value: int) -> str:
        return self.builder.constant(np.array(value, np.uint32).view(np.int32))

    def words_of(self, long: str) -> tuple[str, str]:
        halves = []
        for _ in range(4):
            half = self.builder.node("BitwiseAnd", [long, self._long(0xFFFF)])
            halves.append(self.builder.node("Cast", [half], to=TensorProto.INT32))
            whole = self.builder.node("Sub", [long, half])
            long = self.builder.node("Div", [whole, self._long(2**16)])
        return self._joined(halves[1], halves[0]), self._joined(halves[3], halves[2])

    def product(self, word: str, multiplier: int) -> tuple[str, str]:
        high, low = self._halves(word)
        by_high, by_low = self.word(multiplier >> 16), self.word(multiplier & 0xFFFF)
        above, lowest = self._halves(self._times(low, by_low))
        top, middle = self._halves(self._plus(self._times(high, by_low), above))
        carry, second = self._halves(self._plus(self._times(low, by_high), middle))
        most = self._plus(self._plus(self._times(high, by_high), top), carry)
        return most, self._joined(second, lowest)

    def upper_23(self, word: str) -> str:
        return self._shifted(word, self._and(word, 511), 9)

    def halves(self, word: str) -> list[str]:
        high, low = self._halves(word)
        return [low, high]

    def bytes(self, word: str) -> list[str]:
        parts = []
        for half in self.halves(word):
            low = self._and(half, 0xFF)
            parts += [low, self._shifted(half, low, 8)]
        return parts

    def _halves(self, word: str) -> tuple[str, str]:
        """Return the high and the low 16 bits."""
        low = self._and(word, 0xFFFF)
        return self._shifted(word, low, 16), low

    def _shifted(self, word: str, rest: str, bits: int) -> str:
        """Return what is above the lowest `bits` of a word, which are `rest`."""
        whole = self.builder.node("Sub", [word, rest])
        signed = self.builder.node("Div", [whole, self.word(2**bits)])
        return self._and(signed, 2 ** (32 - bits) - 1)

    def _joined(self, high: str, low: str) -> str:
        return self._plus(self._times(high, self.word(2**16)), low)

    def _and(self, word: str, bits: int) -> str:
        return str(self.builder.node("BitwiseAnd", [word, self.word(bits)]))

    def _times(self, left: str, right: str) -> str:
        return str(self.builder.node("Mul", [left, right]))

    def _plus(self, left: str, right: str) -> str:
        return str(self.builder.node("Add", [left, right]))

    def _long(self, value: int) -> str:
        return self.builder.constant(np.array(value, np.int64))
