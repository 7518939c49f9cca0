"""Gets the matplotlib Axes to draw into."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid


def axes_for(ax: Any, what: str) -> Any:
    """Return `ax`, or new axes where it is None.

    what: what is drawn, for the error.

    Raises:
        ImportError: if matplotlib is needed and not installed.
        ValueError: if `ax` is neither None nor matplotlib Axes.
    """
    if ax is not None:
        if not callable(getattr(ax, "plot", None)):
            raise invalid("ax", "None or a matplotlib Axes", ax)
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"Drawing {what} needs matplotlib. Install it: pip install 'keras-dropouts[plot]'"
        ) from error
    return plt.subplots()[1]
