"""Gives a recomputation the draws of its forward pass.

A gradient that is taken with recomputation (`keras.remat`, `keras.RematScope`,
`tf.recompute_grad`, `torch.utils.checkpoint`) runs the same Python code a second time during the
backward pass. The call of a layer there is no call of a new step: it has to draw the mask that the
forward pass drew. Each run of recomputed code has a memory, which the backend finds on the stack
of Python's calls and which lives as long as what the backend itself keeps for that run. In the
forward pass each call of a layer is noted there, and in a recomputation the notes are read in the
same order. JAX runs no Python code again, so there is nothing to note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keras_dropouts.types import Tensor

Draw = tuple[Tensor, Any]  # the step, and the number of the call in it


@dataclass
class Memory:
    """What the layers drew in one run of code that may be recomputed, by `id` of the layer."""

    draws: dict[int, list[Draw]] = field(default_factory=dict)
    given: dict[int, int] = field(default_factory=dict)
    run: Any = None

    def note(self, layer: Any, draw: Draw) -> None:
        """Note the draw of a call in the forward pass."""
        self.draws.setdefault(id(layer), []).append(draw)

    def again(self, layer: Any, run: Any) -> Draw | None:
        """Return the draw of the next call in a recomputation, None where none was noted.

        run: what tells one recomputation from the next, which begins from the first call again.
        """
        if self.run != run:
            self.run, self.given = run, {}
        draws = self.draws.get(id(layer), [])
        number = self.given.get(id(layer), 0)
        self.given[id(layer)] = number + 1
        return draws[number % len(draws)] if draws else None
