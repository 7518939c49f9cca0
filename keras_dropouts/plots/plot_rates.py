"""Draws the dropout rates that `RateLogger` put into the history of a training."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid
from keras_dropouts.canvas import pyplot


def plot_rates(history: Any, ax: Any = None, prefix: str = "rate/") -> Any:
    """Draw the rate of each dropout layer over the epochs and return the matplotlib Axes.

    Args:
        history: What `model.fit(..., callbacks=[kd.RateLogger()])` returned, or its `history`, a
            dict of lists of one number an epoch.
        ax: The matplotlib Axes to draw into; None makes a new figure.
        prefix: What the names of the rates begin with, a string, as it was given to `RateLogger`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if an argument is none of these, or no rate is in the history.

    Example:

    >>> import keras_dropouts as kd
    >>> axes = kd.plot_rates({"loss": [1.0, 0.5], "rate/drop": [0.0, 0.2]})
    >>> [line.get_label() for line in axes.lines]
    ['drop']
    """
    plt = pyplot()
    logs = getattr(history, "history", history)
    if not isinstance(logs, dict):
        raise invalid("history", "what `fit` returned, or a dict of lists", history)
    if not isinstance(prefix, str):
        raise invalid("prefix", "a string", prefix)
    rates = {name: values for name, values in logs.items() if str(name).startswith(prefix)}
    if not rates:
        expected = f"a history in which names begin with {prefix!r}"
        raise invalid("history", expected, sorted(logs), "Pass callbacks=[kd.RateLogger()] to fit.")
    if _check_axes(ax) is None:
        ax = plt.subplots()[1]
    for number, (name, values) in enumerate(rates.items()):
        # A marker of its own for each line, as not everyone tells all colours apart.
        marker = "osv^Dx"[number % 6]
        epochs = range(1, len(values) + 1)
        every = max(1, len(values) // 10)
        label = name.removeprefix(prefix)
        ax.plot(epochs, values, marker=marker, markevery=every, label=label)
    ax.set(xlabel="epoch", ylabel="rate", ylim=(-0.02, 1.02))
    ax.legend()
    return ax


def _check_axes(ax: Any) -> Any:
    """Return `ax` if it is None or something to draw into, as matplotlib's Axes are."""
    if ax is not None and not (callable(getattr(ax, "plot", None)) and hasattr(ax, "imshow")):
        raise invalid("ax", "None or a matplotlib Axes", ax)
    return ax
