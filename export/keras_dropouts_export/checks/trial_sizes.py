"""Chooses sizes for the dynamic dimensions of trial inputs, by how many dimensions there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int | None, ...]

# Pairs of sizes of a dynamic dimension; the first pair that a model takes is used. One size twice
# is for a model that takes one length only. By the rank of the largest input. Sound is long, and
# shorter pairs stand first, as the cost of attention grows with the square of a length.
_SEQUENCES = ((12, 17), (64, 96), (32, 64), (4, 6), (2, 3), (224, 256), (1000, 1200), (4000, 4800))
_IMAGES = ((64, 96), (32, 64), (224, 256), (12, 17), (8, 12), (4, 6))
# Frames of images, which a recurrent layer sums over, and volumes.
_FRAMES = ((4, 6), (8, 12), (16, 24), (32, 48), (64, 96))
_SINGLE = (64, 16, 77, 128, 256, 512, 8, 4, 3, 2, 1)
_SINGLE_FRAMES = (8, 16, 4, 2, 1, 32, 64)


@dataclass(frozen=True)
class OneTrial:
    """The sizes of one set of inputs: of the odd axes and of the even ones, and the sign."""

    odd: int
    even: int
    positive: bool

    def shape(self, shape: Shape, batch: int) -> list[int]:
        """Return the shape of an input, with sizes for what is dynamic in it."""
        return [
            size if size is not None else batch if axis == 0 else (self.even, self.odd)[axis % 2]
            for axis, size in enumerate(shape)
        ]


@dataclass(frozen=True)
class Sizes:
    """Two sizes of dynamic dimensions.

    crossed: whether neighbouring axes have different ones, so that height is not width; positive:
    whether floats are above 0, for models that take logarithms or roots of them.
    """

    first: int
    second: int
    crossed: bool = False
    positive: bool = False

    @property
    def different(self) -> int:
        """The number of trials that differ in their sizes."""
        return 1 if self.first == self.second else 2

    def of_trial(self, number: int) -> OneTrial:
        """Return the sizes of a trial: the two take turns."""
        pair = (self.first, self.second)
        odd = pair[number % 2]
        return OneTrial(odd, pair[(number + 1) % 2] if self.crossed else odd, self.positive)

    def __str__(self) -> str:
        return f"{self.first} and {self.second}" if self.different > 1 else str(self.first)


class Candidates(list[Sizes]):
    """Sizes to try, in order; as text each pair is named once."""

    def __str__(self) -> str:
        return ", ".join(dict.fromkeys(map(str, self)))


def candidate_sizes(shapes: Sequence[Shape]) -> Candidates:
    """Return the sizes to try for inputs of these shapes."""
    dynamic = [sum(size is None for size in shape[1:]) for shape in shapes]
    if not any(dynamic):
        return Candidates([Sizes(1, 1)])
    rank = max(len(shape) for shape in shapes)
    pairs = _SEQUENCES if rank < 4 else _IMAGES if rank == 4 else _FRAMES
    singles = _SINGLE if rank < 5 else _SINGLE_FRAMES
    found = Candidates()
    for first, second in pairs:
        if max(dynamic) > 1:
            found.append(Sizes(first, second, crossed=True))
        found.append(Sizes(first, second))
    return Candidates([*found, *(Sizes(size, size) for size in singles)])
