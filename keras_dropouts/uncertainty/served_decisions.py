"""Says what an artifact asks of a calibration, of conformal prediction and of a threshold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from keras_dropouts.arguments import check_choice


@runtime_checkable
class ServedDecision(Protocol):
    """What is said of an output beside it: in Keras, and in the artifact of the same model.

    needs: what it is a function of beside the mean: "std", "mutual_information", both, or neither.
    """

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings of the names of what `served` returns."""

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean."""

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return what is said, by the ending of an output's name.

        "calibrated", "set", "lower" and "upper", or "accept". xp: NumPy, or `keras.ops` inside a
        traced function, where every operation must have a counterpart in ONNX.
        """

    def margin(
        self, mean: Any, std: Any = None, mutual_information: Any = None
    ) -> dict[str, np.ndarray]:
        """Return how far the score of each decision is from its threshold, by the ending.

        Decisions are booleans, which the rounding of another runtime may turn where this is small.
        """

    def for_samples(self, samples: int | None) -> ServedDecision:
        """Return it for the mean of so many samples of Monte-Carlo dropout, None for no samples.

        Raises:
            ValueError: if it would have to be fitted again, and the data are not at hand.
        """

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where nothing can be said of an output of this shape.

        Raises:
            ValueError: for the argument `calibration`, naming the output.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it, with its "kind", which `from_json` knows."""


_KINDS: dict[str, Callable[[dict[str, Any]], ServedDecision]] = {}


def readable(kind: str, read: Callable[[dict[str, Any]], ServedDecision]) -> None:
    """Let `from_json` read decisions of a kind: `read` takes what `to_dict` returned."""
    _KINDS[kind] = read


def to_json(decisions: Sequence[ServedDecision]) -> str:
    """Return decisions as JSON text."""
    return json.dumps([each.to_dict() for each in decisions])


def from_json(text: str) -> list[ServedDecision]:
    """Return the decisions that are JSON text.

    Raises:
        ValueError: if they are of a kind that this version does not know.
    """
    return [_KINDS[check_choice(each["kind"], "kind", _KINDS)](each) for each in json.loads(text)]
