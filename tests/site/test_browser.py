"""Walks through the built site in headless Chromium at two widths, and checks every link in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from site_server import SITE, walked

# What a reader asks, and the pages of which one is among the first three that the search finds.
ANSWERS = {
    "which rate": {"/rates/", "/concepts/rates_and_schedules/"},
    "how to serve on Triton": {"/how_to/serve/", "/servers/"},
    "what happens to BatchNormalization in Monte-Carlo dropout": {"/concepts/monte_carlo_samples/"},
    "how to use a custom layer on the command line": {"/how_to/own_layers/"},
    "why the file is refused": {"/how_to/refused/"},
}
MAIN_PATH = ["/start/first_hour/", "/concepts/layers/", "/rates/", "/how_to/serve/", "/self_test/"]


@pytest.fixture(scope="module", params=[1280, 400], ids=["wide", "phone"])
def seen(request, tmp_path_factory) -> Any:
    """Walk through the site once for each width."""
    state, log, missing = walked(tmp_path_factory.mktemp("chromium"), request.param, 240.0)
    assert "failed" not in state, state["failed"]
    return state, log, missing


def plain(address: str) -> str:
    return address.removesuffix("index.html")


@pytest.mark.parametrize("question", ANSWERS)
def test_the_search_finds_the_answer(seen, question):
    found = {plain(address) for address in seen[0]["questions"][question]}
    assert found & ANSWERS[question], found


def test_the_main_path_leads_on(seen):
    assert [plain(address) for address in seen[0]["path"]] == MAIN_PATH


def test_no_page_writes_an_error_or_asks_for_what_is_not_there(seen):
    state, log, missing = seen
    assert state["errors"] == []
    assert missing == []
    assert not re.findall(r".*CONSOLE.*(?:error|Error|Uncaught).*", log)


def test_every_page_has_a_heading_whole_pictures_and_fits_the_window(seen):
    pages = seen[0]["pages"]
    files = {f"/{path.parent.relative_to(SITE)}/" for path in SITE.rglob("index.html")}
    assert set(pages) == {each.replace("/./", "/") for each in files} - {"/browser/"}
    for address, page in pages.items():
        assert page["heading"], address
        assert page["broken"] == page["silent"] == [], address
        assert page["width"] <= page["room"], f"{address}: {page['width']} of {page['room']} pixels"


class _Links(HTMLParser):
    """Collects the links and the anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {each for each in (values.get("id"), values.get("name")) if each}
        self.links += [each for each in (values.get("href"), values.get("src")) if each]


def test_no_link_is_dead():
    pages = {page: _Links(page) for page in SITE.rglob("*.html")}
    dead = []
    for page, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or page.name == "404.html":
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].anchors if target in pages else {"", unquote(parts.fragment)}
            if not target.exists() or unquote(parts.fragment) not in anchors:
                dead.append(f"{page.relative_to(SITE)}: {link}")
    assert not dead, dead


def test_each_page_with_code_is_a_notebook_whose_cells_are_its_blocks():
    notebooks = sorted((SITE / "notebooks").glob("*.ipynb"))
    assert len(notebooks) >= 5
    for path in notebooks:
        (page,) = (SITE.parents[1] / "docs").rglob(f"{path.stem}.md")
        cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
        blocks = re.findall(r"<!-- test: \w+ -->\n```python\n(.*?)```", page.read_text(), re.S)
        assert cells[0]["source"].startswith("%pip install")
        assert [each["source"].removeprefix("%%writefile app.py\n") for each in cells[1:]] == [
            each.strip() for each in blocks
        ]


def test_no_page_asks_another_server_for_what_it_shows():
    outside = re.compile(r"<(?:script|img|iframe)[^>]* src=\"?(https?:[^\" >]+)")
    styles = re.compile(
        r"<link[^>]* rel=\"?(?:stylesheet|preconnect)\"?[^>]*href=\"?(https?:[^\" >]+)"
    )
    for page in SITE.rglob("*.html"):
        text = page.read_text()
        assert outside.findall(text) == styles.findall(text) == [], page


def test_no_formula_is_taken_for_bold_text():
    for page in SITE.rglob("*.html"):
        found = re.search(r"[\w)]<(strong|em)>.{0,60}", page.read_text())
        assert found is None, (page.relative_to(SITE), found[0])
