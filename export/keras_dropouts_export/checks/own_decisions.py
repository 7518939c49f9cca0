"""Compares what an artifact decides of its outputs with what NumPy decides of the same outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.checks.tolerances import allowed_for
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.options import Comparison
from keras_dropouts_export.tracing.inference_function import InferenceFunction

# By which part of themselves the outputs are moved, to see what their rounding can do: 8 steps of
# float32. So far may a score be from its threshold, too, that is summed in another order.
_ROUNDING = 1e-6
_SCORES = 1e-6


@dataclass(frozen=True)
class OwnDecision:
    """What an artifact gave for one output that is decided of others, beside what NumPy gives.

    left_out: how many decisions were not compared, as the rounding of the outputs can turn them.
    """

    output: str
    error: float
    allowed: float
    left_out: int


def own_decisions(
    function: InferenceFunction, answer: Arrays, comparison: Comparison, precision: str
) -> list[OwnDecision]:
    """Return what an artifact decided, compared with NumPy's decisions of what it answered.

    That the other outputs are the model's is compared elsewhere. So a decision is not taken for
    wrong where the runtime's rounding, which is allowed, has moved an output over a threshold, or
    along a steep piece of a calibration; and where it has not, it has to be exactly the same.
    """
    if function.decided is None or not function.added:
        return []
    own = {each.name: answer[each.name] for each in function.own_outputs}
    wanted = function.decided.served(own, np)
    moved = [
        function.decided.served({k: _moved(x, factor) for k, x in own.items()}, np)
        for factor in (1.0 - _ROUNDING, 1.0 + _ROUNDING)
    ]
    # `open_to_rounding` takes ten times as much.
    near = function.decided.open_to_rounding(own, dict.fromkeys(own, _SCORES / 10.0))
    found = []
    for name in function.added:
        got, right = answer[name], wanted[name]
        if right.dtype == bool:
            open_ = near.get(name, np.zeros(right.shape, bool)).copy()
            for each in moved:
                open_ |= each[name] != right
            fits = got.shape == right.shape
            error = largest_error(np.where(open_, right, got) if fits else got, right)
            found.append(OwnDecision(name, error, 0.0, int(open_.sum())))
            continue
        right = right.astype(got.dtype)
        change = max(largest_error(each[name].astype(got.dtype), right) for each in moved)
        allowed = allowed_for(right, comparison, precision) + change
        found.append(OwnDecision(name, largest_error(got, right), allowed, 0))
    return found


def _moved(x: np.ndarray, factor: float) -> np.ndarray:
    """Return probabilities that are moved towards one class or away from it, or moved numbers."""
    return (x.astype("float64") * factor).astype(x.dtype) if x.dtype.kind == "f" else x
