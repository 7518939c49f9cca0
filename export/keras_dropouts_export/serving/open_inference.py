"""Writes requests and answers in the Open Inference Protocol (v2) of Triton and KServe."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays

# NumPy's names against those of the protocol. JSON has no numbers of 16-bit floats there.
DATATYPES = {
    "bool": "BOOL",
    **{
        f"{kind}{bits}": f"{kind.upper()}{bits}"
        for kind in ("int", "uint")
        for bits in (8, 16, 32, 64)
    },
    "float32": "FP32",
    "float64": "FP64",
}


def datatype(name: str, dtype: str, path: str) -> str:
    """Return what the protocol calls a dtype.

    Raises:
        ValueError: if it has none for numbers in JSON.
    """
    if dtype not in DATATYPES:
        expected = f"a file of inputs and outputs of the dtypes {', '.join(DATATYPES)}"
        raise invalid("path", expected, path, f"{name!r} is of {dtype}.")
    return DATATYPES[dtype]


def tensors(arrays: Arrays, path: str) -> list[dict[str, Any]]:
    """Return arrays as the protocol lists them, numbers in the order of rows."""
    return [
        {
            "name": name,
            "shape": list(x.shape),
            "datatype": datatype(name, x.dtype.name, path),
            "data": numbers(x.reshape(-1)),
        }
        for name, x in arrays.items()
    ]


def numbers(x: np.ndarray) -> Any:
    """Return an array as nested lists, None for what is not finite, which JSON cannot hold."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        return np.where(np.isfinite(x), x.astype(object), np.array(None)).tolist()
    return x.tolist()
