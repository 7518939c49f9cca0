"""Measures how far a model's own outputs move when its inputs move by one step of their dtype.

An unstable model answers with another number to a change that no one can see, so that no artifact
of it can agree with it. This tells such a model from an artifact that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.tracing.inference_function import InferenceFunction

Arrays = dict[str, np.ndarray]


def moved_by_one_step(
    function: InferenceFunction, trials: Sequence[tuple[int, Arrays, Arrays]]
) -> dict[str, float]:
    """Return the largest change of each output, by its name; empty where no input is a float.

    Each float input moves to the next number above it, and to the next one below it.
    """
    found: dict[str, float] = {}
    dtypes = {each.name: each.dtype for each in function.inputs}
    if not any("float" in dtype for dtype in dtypes.values()):
        return found
    for _, inputs, expected in trials:
        for towards in (np.inf, -np.inf):
            moved = function.expected(
                {name: _moved(x, dtypes[name], towards) for name, x in inputs.items()}
            )
            for name, value in expected.items():
                change = largest_error(moved[name], value)
                found[name] = max(found.get(name, 0.0), change)
    return found


def _moved(array: np.ndarray, dtype: str, towards: float) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    if dtype == "bfloat16":  # held as float32, whose last 16 bits it does not have
        step = np.abs(array) * np.float32(2.0**-7)
        return array + np.sign(towards).astype("float32") * step
    return np.nextafter(array, array.dtype.type(towards))


def told_apart(changes: Iterable[tuple[float | None, float]]) -> str:
    """Return a sentence on outputs that differ, for pairs of (own change, what is allowed)."""
    known = [(change, allowed) for change, allowed in changes if change is not None]
    if not known:
        return ""
    change, allowed = max(known, key=lambda pair: pair[0] / max(pair[1], 1e-300))
    said = (
        f"the model's own output moves by {change:.3g} when its inputs move by one step of their "
        f"dtype (the next float32), where {allowed:.3g} is allowed"
    )
    if change > allowed:
        return (
            f"{said}: the model is unstable on these inputs, and the artifact may be right. Choose "
            f"inputs like those it is for with `sample_inputs`."
        )
    return f"{said}: the model is stable on these inputs, so the artifact is wrong."
