"""Writes tables and reports as HTML for notebooks, in colours that suit light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# Green and vermilion of Okabe and Ito's palette; a word says the same.
_GOOD, _BAD = "#009e73", "#d55e00"


def paragraph(text: str) -> str:
    """Return a text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def table(head: Sequence[str], lines: Iterable[Sequence[object]], caption: str = "") -> str:
    """Return a table; each line has as many cells as the head."""
    said = f"<caption style='text-align:left'>{escape(caption)}</caption>" if caption else ""
    heads = "".join(f"<th style='text-align:left'>{escape(each)}</th>" for each in head)
    rows = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_cell(x)}</td>" for x in line) + "</tr>"
        for line in lines
    )
    return f"<table>{said}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    """Return a cell; a number is never broken across lines, a path may be behind each `/`."""
    text = str(value)
    if text[:1].isdigit() or text[:1] in "+-":
        return f"<span style='white-space:nowrap'>{escape(text)}</span>"
    return escape(text).replace("/", "/<wbr>")


def verdict(title: str, ok: bool, good: str = "ok", bad: str = "not ok") -> str:
    """Return a heading with a verdict, which is a word and a colour."""
    colour, word = (_GOOD, good) if ok else (_BAD, bad)
    return (
        f"<p><b>{escape(title)}</b>: <b style='color:{colour}'>{'✓' if ok else '✗'} "
        f"{escape(word)}</b></p>"
    )


def folded(summary: str, text: str) -> str:
    """Return a text of several lines that is shown when its summary is clicked."""
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(text)}</pre></details>"
