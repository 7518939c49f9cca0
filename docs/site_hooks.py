"""Does what MkDocs does not: links into the repository, notebooks, and the demo in the browser."""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import page_notebooks

_LINK = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]*)?\)")
_FOLDERS = ("start/", "how_to/")
_SERVED = {".html", ".css", ".mjs", ".json", ".onnx"}
ROOT = Path(__file__).parents[1]
_notebooks: dict[str, str] = {}


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return the text of a page; called by MkDocs for each."""
    source = page.file.src_uri
    if source.startswith(_FOLDERS) and page_notebooks.has_code(markdown):
        name = f"{posixpath.basename(source).removesuffix('.md')}.ipynb"
        _notebooks[name] = page_notebooks.notebook(markdown, config.site_url + page.url)
        title, _, rest = markdown.partition("\n\n")
        link = f'<a href="../../notebooks/{name}" download>This page as a notebook</a>'
        markdown = f"{title}\n\n{link}\n\n{rest}"
    folder = posixpath.dirname(source)

    def outside(match: re.Match[str]) -> str:
        up, path, part = match[1], match[2], match[3] or ""
        target = posixpath.normpath(posixpath.join("docs", folder, up, path))
        if target.startswith("docs/"):
            return match[0]
        return f"]({config.repo_url}/blob/main/{target}{part})"

    return _LINK.sub(outside, markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Write the notebooks and the demo beside the pages; called by MkDocs at the end."""
    folder = Path(config.site_dir) / "notebooks"
    folder.mkdir(exist_ok=True)
    for name, text in _notebooks.items():
        (folder / name).write_text(text)
    demo = Path(config.site_dir) / "browser"
    for path in (ROOT / "examples" / "browser").iterdir():
        if path.suffix in _SERVED:
            _copy(path, demo / path.name)
    for path in (ROOT / "build" / "onnxruntime-web").iterdir():
        _copy(path, demo / "onnxruntime-web" / path.name)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, target)
