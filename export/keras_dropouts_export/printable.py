"""Writes names that come from models and paths so that a terminal shows them and obeys none."""

from __future__ import annotations


def printable(text: object) -> str:
    """Return a text with everything escaped that is not printed as itself.

    That is every control character (escape sequences, line breaks), marks of the direction of
    writing, characters of no width, and bytes of a file name that are no text.
    """
    return "".join(each if each.isprintable() else _escaped(each) for each in str(text))


def printable_lines(text: object) -> str:
    """Return the same of a text of several lines, whose line breaks stay."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def _escaped(character: str) -> str:
    return repr(character)[1:-1]
