"""Writes an SVG that moves: schedules over training, and the mask that grows with one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

# Okabe and Ito's palette; each line has a dash pattern of its own as well.
_LINES = (("#d55e00", ""), ("#0072b2", "6 3"), ("#009e73", "2 2"), ("#cc79a7", "8 2 2 2"))
_LEFT, _TOP, _WIDTH, _HEIGHT = 46.0, 20.0, 330.0, 160.0
_MAP = 160.0  # side of the mask
_SECONDS = 8


def svg(rates: Mapping[str, Sequence[float]], masks: Sequence[np.ndarray]) -> str:
    """Return the picture as text.

    rates: for each schedule the rate at each step; masks: for each step of the first schedule where
    something is dropped, booleans of shape (side, side).

    Whoever asks their system for less movement sees the last step at rest.
    """
    steps = len(masks)
    highest = max(max(each) for each in rates.values()) * 1.15
    x = [_LEFT + _WIDTH * i / (steps - 1) for i in range(steps)]

    def y(rate: float) -> float:
        return _TOP + _HEIGHT * (1 - rate / highest)

    parts = [_axes(y)]
    for (name, values), (colour, dash) in zip(rates.items(), _LINES, strict=True):
        points = " ".join(f"{a:.1f},{y(b):.1f}" for a, b in zip(x, values, strict=True))
        parts.append(
            f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2.5' "
            f"stroke-dasharray='{dash}'/>"
        )
        number = list(rates).index(name)
        at = _TOP + _HEIGHT + 42
        left = _LEFT + number * 104
        parts.append(
            f"<line x1='{left}' x2='{left + 18}' y1='{at - 4}' y2='{at - 4}' stroke='{colour}' "
            f"stroke-width='2.5' stroke-dasharray='{dash}'/>"
            f"<text x='{left + 22}' y='{at}'>{name}</text>"
        )
    parts.append(
        f"<line class='now' x1='{x[0]:.1f}' x2='{x[0]:.1f}' y1='{_TOP}' y2='{_TOP + _HEIGHT}' "
        f"stroke='#888' stroke-width='1.5'/>"
    )
    parts += [_mask(step, each, steps) for step, each in enumerate(masks)]
    frames = _frames(steps, x[-1] - x[0])
    label = (
        "Four schedules of a dropout rate over training, and beside them the mask of DropBlock, in "
        "which more and larger parts are dropped as LinearRamp raises the rate"
    )
    width, height = _LEFT + _WIDTH + 40 + _MAP + 10, _TOP + _HEIGHT + 56
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"role='img' aria-label='{label}' font-family='sans-serif' font-size='11'>"
        f"<title>{label}</title><style>text{{fill:#777}}{frames}</style>"
        f"{''.join(parts)}</svg>\n"
    )


def _axes(at: Callable[[float], float]) -> str:
    ticks = "".join(
        f"<text x='{_LEFT - 6}' y='{at(rate) + 4:.1f}' text-anchor='end'>{rate:.1f}</text>"
        for rate in (0.0, 0.1, 0.2, 0.3)
    )
    bottom, middle = _TOP + _HEIGHT, _LEFT + _WIDTH / 2
    return (
        f"<path d='M{_LEFT} {_TOP}V{bottom}H{_LEFT + _WIDTH}' fill='none' stroke='#999'/>{ticks}"
        f"<text x='{middle}' y='{bottom + 18}' text-anchor='middle'>training step</text>"
        f"<text x='{_LEFT - 34}' y='{_TOP - 7}'>rate</text>"
        f"<text x='{_LEFT + _WIDTH + 40}' y='{_TOP - 7}'>what LinearRamp drops now</text>"
    )


def _mask(step: int, dropped: np.ndarray, steps: int) -> str:
    side = _MAP / len(dropped)
    left = _LEFT + _WIDTH + 40
    path = []
    for row, line in enumerate(dropped):
        edges = np.flatnonzero(np.diff([0, *line.astype(int), 0]))
        for start, stop in edges.reshape(-1, 2):
            path.append(
                f"M{left + start * side:.1f} {_TOP + row * side:.1f}"
                f"h{(stop - start) * side:.1f}v{side:.1f}h{-(stop - start) * side:.1f}z"
            )
    kind = "mask last" if step == steps - 1 else "mask"
    return (
        f"<g class='{kind}' style='animation-delay:{step * _SECONDS / steps - _SECONDS:.2f}s'>"
        f"<rect x='{left}' y='{_TOP}' width='{_MAP}' height='{_MAP}' fill='#bbb'/>"
        f"<path d='{''.join(path)}' fill='#d55e00'/></g>"
    )


def _frames(steps: int, distance: float) -> str:
    share = 100.0 / steps
    return (
        f"@keyframes show{{0%,{share:.2f}%{{opacity:1}}{share + 0.01:.2f}%,100%{{opacity:0}}}}"
        f"@keyframes move{{to{{transform:translateX({distance:.1f}px)}}}}"
        f".mask{{opacity:0;animation:show {_SECONDS}s linear infinite}}"
        f".now{{animation:move {_SECONDS}s steps({steps - 1}) infinite}}"
        "@media (prefers-reduced-motion:reduce){.mask,.now{animation:none}.last{opacity:1}"
        f".now{{transform:translateX({distance:.1f}px)}}}}"
    )
