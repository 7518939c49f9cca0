"""Tests that the code of the site's pages runs, and that navigation and reference are whole."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"<!-- test: (\w+) -->\n```python\n(.*?)```", re.S)
# The code of other pages has tests of its own.
FOLDERS = ("start", "concepts", "how_to")
PAGES = [page for folder in FOLDERS for page in sorted((DOCS / folder).glob("*.md"))]
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text())]
APPS = {"app"}  # what a server imports


def by_name(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=by_name)
def test_the_code_of_the_page_runs_from_top_to_bottom_in_an_empty_folder(page, tmp_path):
    blocks = [code for name, code in BLOCK.findall(page.read_text()) if name not in APPS]
    (tmp_path / "pasted.py").write_text("\n".join(blocks))
    source = os.pathsep.join([str(ROOT), str(ROOT / "export")])
    environment = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-P", "pasted.py"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", WITH_CODE, ids=by_name)
def test_each_block_that_imports_something_is_tested(page):
    text = page.read_text()
    assert text.count("```python\nimport") == sum(
        code.startswith("import") for _, code in BLOCK.findall(text)
    )


def test_every_page_is_in_the_navigation_once():
    named = re.findall(r"(?:: |- )([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert len(named) == len(set(named))
    assert set(named) == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=by_name)
def test_every_picture_has_a_text_that_stands_for_it(page):
    for text, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
        assert len(text) > 10, path
        assert (page.parent / path).is_file(), path


def test_evidence_begins_with_what_follows_from_it_in_plain_words():
    listed = (ROOT / "mkdocs.yml").read_text().split("- Evidence:")[1]
    for name in set(re.findall(r"([\w/]+\.md)$", listed, re.M)):
        first = (DOCS / name).read_text().split("\n\n")[1]
        assert first.startswith("**In short:**"), name


def test_the_reference_has_every_public_name_and_command():
    path = DOCS / "write_reference.py"
    spec = importlib.util.spec_from_file_location("write_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pages().items():
        assert (DOCS / "reference" / f"{name}.md").read_text() == text, "run `make reference`"


def test_the_errors_that_the_page_of_refusals_quotes_are_those_of_the_code():
    page = (DOCS / "how_to" / "refused.md").read_text()
    quoted = re.findall(r"^\| `([^|]*)` \|", page, re.M)
    assert len(quoted) >= 10
    told = [
        "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
        if isinstance(node, ast.JoinedStr)
        else str(node.value)
        for path in (ROOT / "export").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.JoinedStr, ast.Constant))
    ]
    told = [text.replace("`", "") for text in told]
    for text in quoted:
        for part in re.split(r"`, `|…", text):
            words = part.strip(" :,`")
            assert not words or any(words in each for each in told), words
