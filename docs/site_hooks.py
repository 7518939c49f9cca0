"""Turns links to files outside docs/ into links to the repository when the site is built."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return the text of a page; called by MkDocs for each."""
    folder = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        up, path, part = match[1], match[2], match[3] or ""
        target = posixpath.normpath(posixpath.join("docs", folder, up, path))
        if target.startswith("docs/"):
            return match[0]
        return f"]({config.repo_url}/blob/main/{target}{part})"

    return _LINK.sub(outside, markdown)
