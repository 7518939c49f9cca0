"""Turns a page with tested code into a notebook: its text, its blocks, and a cell that installs."""

from __future__ import annotations

import json
import re

SOURCE = "git+https://github.com/keras-dropouts/keras-dropouts"
_BLOCK = re.compile(r"<!-- test: (\w+) -->\n```python\n(.*?)```", re.S)
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\]\((?!https?:)[^)]*\)")


def has_code(markdown: str) -> bool:
    """Return whether a page has blocks that are tested."""
    return _BLOCK.search(markdown) is not None


def notebook(markdown: str, home: str) -> str:
    """Return a notebook, as JSON text, with the text and the tested blocks of a page in its order.

    markdown: the page; home: the address of the page, to which its own links lead.
    """
    cells = [_code(f'%pip install --quiet "keras-dropouts[demo] @ {SOURCE}"')]
    texts = _BLOCK.split(markdown)  # text, name of a block, block, text, ...
    for text, name, block in zip(texts[::3], [*texts[1::3], ""], [*texts[2::3], ""], strict=True):
        if text.strip():
            cells.append(_text(text.strip(), home))
        if name:
            written = "%%writefile app.py\n" if name == "app" else ""  # a server imports it
            cells.append(_code(written + block.strip()))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    head = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}}
    return json.dumps({**head, "cells": cells}, indent=1)


def _code(source: str) -> dict[str, object]:
    empty: dict[str, object] = {"execution_count": None, "outputs": [], "metadata": {}}
    return {"cell_type": "code", "source": source, **empty}


def _text(source: str, home: str) -> dict[str, object]:
    source = _IMAGE.sub(r"*\1*", source)
    return {"cell_type": "markdown", "source": _LINK.sub(f"]({home})", source), "metadata": {}}
