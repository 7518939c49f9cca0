"""Says by how much an artifact may differ from its model, by the dtype that it is computed in."""

from __future__ import annotations

import keras
import numpy as np

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts_export.options import Comparison

# What an output may differ by: atol + rtol * (its largest absolute value). From the most precise
# dtype to the least.
TOLERANCE = {
    "float64": (1e-7, 1e-6),
    "float32": (1e-5, 1e-4),
    "float16": (2e-3, 1e-2),
    "bfloat16": (2e-2, 5e-2),
}


def lowest_precision(model: keras.Model) -> str:
    """Return the least precise dtype that a layer of `model` computes in."""
    names = list(TOLERANCE)
    used = {layer.compute_dtype for layer in parts(model)} & set(names)
    return max(used, key=names.index, default="float32")


def allowed_for(wanted: np.ndarray, comparison: Comparison, precision: str) -> float:
    """Return what an output may differ by, whose values are to be `wanted`."""
    names = list(TOLERANCE)
    if wanted.dtype.name not in names:
        return 0.0
    # An output of float32 is no better than the float16 that it was computed in.
    atol, rtol = TOLERANCE[max(wanted.dtype.name, precision, key=names.index)]
    atol = atol if comparison.atol is None else comparison.atol
    rtol = rtol if comparison.rtol is None else comparison.rtol
    values = np.abs(wanted.astype("float64"))
    finite = values[np.isfinite(values)]
    return float(atol + rtol * finite.max(initial=0.0))
