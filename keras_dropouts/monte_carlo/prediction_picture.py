"""Draws the mean and the spread of Monte-Carlo predictions as SVG for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

_ROWS, _VALUES = 6, 12  # shown at most
_BAR, _GAP, _HEIGHT, _LABEL = 14, 4, 64, 14  # in pixels
_FILL = "#56b4e9"  # sky blue of Okabe and Ito's palette


def prediction_html(title: str, means: Sequence[np.ndarray], stds: Sequence[np.ndarray]) -> str:
    """Return a title and, for each output, a picture of its first rows.

    means, stds: for each output an array of shape (N, ...).
    """
    pictures = "".join(
        prediction_svg(np.asarray(mean), np.asarray(std))
        for mean, std in zip(means, stds, strict=True)
        if mean.size
    )
    return f"<p>{escape(title)}</p>{pictures}"


def prediction_svg(mean: np.ndarray, std: np.ndarray) -> str:
    """Return an SVG with a group of bars for each of the first rows.

    A bar is a mean, the line over it goes from one standard deviation below it to one above. All
    rows have one scale. Of a row the first 12 numbers are shown, of the data the first 6 rows.

    mean, std: arrays of shape (N, ...), with at least one number.
    """
    rows = min(len(mean), _ROWS)
    values, spread = (
        np.asarray(each[:rows], "float64").reshape(rows, -1)[:, :_VALUES] for each in (mean, std)
    )
    values, spread = np.nan_to_num(values), np.nan_to_num(spread)
    low, high = min(0.0, float((values - spread).min())), max(0.0, float((values + spread).max()))
    scale = _HEIGHT / (high - low) if high > low else 0.0

    def down(value: float) -> float:
        return (high - value) * scale + 2

    count = values.shape[1]
    wide = count * _BAR + (count - 1) * 2 + 4 * _GAP
    parts = []
    for row in range(rows):
        for i, (value, error) in enumerate(zip(values[row], spread[row], strict=True)):
            left = row * wide + i * (_BAR + 2) + _GAP
            top, bottom = down(max(value, 0.0)), down(min(value, 0.0))
            middle = left + _BAR / 2
            parts.append(
                f"<rect x='{left:.1f}' y='{top:.1f}' width='{_BAR}' height='{bottom - top:.1f}' "
                f"fill='{_FILL}'><title>row {row}, value {i}: {value:.4g} ± {error:.2g}</title>"
                f"</rect><line x1='{middle:.1f}' x2='{middle:.1f}' y1='{down(value + error):.1f}' "
                f"y2='{down(value - error):.1f}' stroke='currentColor' stroke-width='1.5'/>"
            )
        parts.append(
            f"<text x='{row * wide + _GAP:.1f}' y='{_HEIGHT + _LABEL}' font-size='10' "
            f"fill='currentColor'>row {row}</text>"
        )
    line = f"<line x1='0' x2='{rows * wide}' y1='{down(0):.1f}' y2='{down(0):.1f}' "
    label = f"Mean and standard deviation of the first {rows} rows, from {low:.3g} to {high:.3g}"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-label='{label}' "
        f"width='{rows * wide}' height='{_HEIGHT + _LABEL + 4}'>{''.join(parts)}"
        f"{line}stroke='currentColor' stroke-width='0.5'/></svg>"
    )
