"""Imports matplotlib where a picture is asked for, and says what to install where it is missing."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid


def pyplot() -> Any:
    """Return `matplotlib.pyplot`.

    Raises:
        ImportError: if matplotlib is not installed, with the extra that brings it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing a picture needs matplotlib. Install it: pip install 'keras-dropouts[plot]'"
        ) from error
    return plt


def check_axes(ax: Any) -> Any:
    """Return `ax` if it is None or something to draw into, as matplotlib's Axes are."""
    if ax is not None and not (callable(getattr(ax, "plot", None)) and hasattr(ax, "imshow")):
        raise invalid("ax", "None or a matplotlib Axes", ax)
    return ax
