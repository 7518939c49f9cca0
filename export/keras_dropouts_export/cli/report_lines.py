"""Lays out the lines of a report for a terminal: wrapped at its width, verdicts in colour."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from typing import TextIO

_RED, _GREEN, _YELLOW = 31, 32, 33
_COLOURS = (
    (re.compile(r"^ *error(?=:)|^Error(?=:)|\bNOT equal\b|\bdiffers(?: between runs)?$"), _RED),
    (re.compile(r"^ *warning(?=:)|^Warning(?=:)"), _YELLOW),
    (re.compile(r"\bok$|(?<=: )equal(?=,)"), _GREEN),
)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads what is written to a stream."""
    return stream is not None and stream.isatty()


def laid_out(text: str, stream: TextIO | None) -> str:
    """Return text as it is, or wrapped and in colour where a terminal shows it.

    Words are never cut. NO_COLOR and TERM=dumb leave colours out.
    """
    if not is_terminal(stream):
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(coloured(line) for each in text.split("\n") for line in wrapped(each, width))


def wrapped(line: str, width: int) -> list[str]:
    """Return a line as lines of at most `width` characters, the later ones indented further."""
    indent = line[: len(line) - len(line.lstrip())]
    if len(line) <= width or len(indent) + 20 > width:
        return [line]
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def coloured(line: str) -> str:
    """Return a line with its verdict in colour."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return line
    for pattern, colour in _COLOURS:
        line = pattern.sub(lambda found, code=colour: f"\x1b[{code}m{found[0]}\x1b[0m", line)  # type: ignore[misc]
    return line
