"""Lays figures out as a table of text that fits 60 columns, and as one of HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from keras_dropouts.uncertainty.scores import SCORES

_SELECTIVE = ("aurc", "augrc", "risk_at_coverage", "coverage_at_risk")
_NAME, _VALUE = 25, 12  # characters


def as_text(
    title: str,
    figures: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    level: float,
) -> str:
    """Return a table of text: a line for each figure, under headings for each score."""
    lines = [title]
    if intervals:
        lines.append(f"{'':{_NAME + _VALUE}}{_heading(level):>22}")
    for score, name, key in _ordered(figures):
        if key is None:
            lines.append(f"by {score}")
            continue
        line = f"{'  ' * bool(score) + name:{_NAME}}{_number(figures[key]):>{_VALUE}}"
        if key in intervals:
            line += f"{_interval(intervals[key]):>22}"
        lines.append(line)
    return "\n".join(lines)


def as_html(
    title: str,
    figures: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    level: float,
) -> str:
    """Return the same as an HTML table."""
    rows = []
    columns = 3 if intervals else 2
    for score, name, key in _ordered(figures):
        if key is None:
            rows.append(f'<tr><th colspan="{columns}">by {escape(score)}</th></tr>')
            continue
        cells = [escape(name), _number(figures[key])]
        if intervals:
            cells.append(_interval(intervals[key]) if key in intervals else "")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = f"<tr><th></th><th>value</th><th>{_heading(level)}</th></tr>" if intervals else ""
    return f"<table><caption>{escape(title)}</caption>{head}{''.join(rows)}</table>"


def _ordered(figures: dict[str, float]) -> Iterator[tuple[str, str, str | None]]:
    """Yield (score, shown name, name) of each figure, with (score, "", None) before a score's."""
    by_score: dict[str, list[tuple[str, str]]] = {name: [] for name in SCORES}
    for key in figures:
        if not key.startswith(_SELECTIVE):
            yield "", _shown(key), key
            continue
        score = next((name for name in SCORES if key.endswith(f"_{name}")), SCORES[0])
        by_score[score].append((_shown(key.removesuffix(f"_{score}")), key))
    for score, rows in by_score.items():
        if rows:
            yield score.replace("_", " "), "", None
            for name, key in rows:
                yield score, name, key


def _shown(key: str) -> str:
    """Return a name for a person: `risk_at_coverage_80` is "risk at coverage 80 %"."""
    *words, last = key.split("_")
    return " ".join([*words, f"{last} %" if last.isdigit() else last])


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{_number(ends[0])} to {_number(ends[1])}"


def _heading(level: float) -> str:
    return f"{100 * level:.4g} % interval"
