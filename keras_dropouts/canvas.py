"""Gets matplotlib and the Axes to draw into, and says what to install where it is missing."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid


def pyplot(what: str = "a picture") -> Any:
    """Return `matplotlib.pyplot`.

    what: what is drawn, for the error.

    Raises:
        ImportError: if matplotlib is not installed, with the extra that brings it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"Drawing {what} needs matplotlib. Install it: pip install 'keras-dropouts[plot]'"
        ) from error
    return plt


def axes_for(ax: Any, what: str) -> Any:
    """Return `ax`, or new axes where it is None.

    what: what is drawn, for the error.

    Raises:
        ImportError: if matplotlib is needed and not installed.
        ValueError: if `ax` is neither None nor matplotlib Axes.
    """
    if ax is None:
        return pyplot(what).subplots()[1]
    if not callable(getattr(ax, "plot", None)):
        raise invalid("ax", "None or a matplotlib Axes", ax)
    return ax
