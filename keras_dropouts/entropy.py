"""Computes the entropy of class probabilities, for arrays and for tensors."""

from __future__ import annotations

from typing import Any

import numpy as np


def entropy(probabilities: Any, xp: Any = np) -> Any:
    """Return -sum p log p over the last axis in nats; one unit stands for it and its opposite.

    xp: NumPy, or `keras.ops` for tensors.
    """
    p = probabilities
    if p.shape[-1] == 1:
        p = xp.concatenate([p, 1.0 - p], axis=-1)
    logs = xp.log(xp.where(p > 0.0, p, xp.ones_like(p)))
    return -xp.sum(p * logs, axis=-1)
