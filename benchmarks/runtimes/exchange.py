"""Reads and writes arrays as JSON for any language: dtype, shape, and the bytes in base64."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def encoded(arrays: Arrays) -> dict[str, Any]:
    """Return arrays by name as what JSON holds."""
    return {name: _one(np.asarray(x)) for name, x in arrays.items()}


def _one(x: np.ndarray) -> dict[str, Any]:
    little = np.ascontiguousarray(x, x.dtype.newbyteorder("<")).reshape(x.shape)
    data = base64.b64encode(little.tobytes()).decode()
    return {"dtype": x.dtype.name, "shape": list(x.shape), "data": data}


def decoded(arrays: dict[str, Any]) -> Arrays:
    """Return what `encoded` was given."""
    return {
        name: np.frombuffer(base64.b64decode(x["data"]), x["dtype"]).reshape(x["shape"]).copy()
        for name, x in arrays.items()
    }


def write(path: Path, content: Any) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content), encoding="utf-8")


def read(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding="utf-8"))
