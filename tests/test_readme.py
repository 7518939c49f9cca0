"""Tests that the code of README and of the self-test's page runs, and that the links lead on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_dropouts_export as kde

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


HOME = "https://github.com/keras-dropouts/keras-dropouts"


def blocks_of(page: Path) -> dict[str, str]:
    """Return the Python blocks of a page by their names."""
    return dict(re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", page.read_text(), re.S))


def test_each_python_block_has_a_name_by_which_it_is_tested():
    assert README.read_text().count("```python") == len(blocks_of(README)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", blocks_of(README))
def test_the_block_runs_as_pasted_in_an_empty_folder(name, tmp_path):
    (tmp_path / "pasted.py").write_text(blocks_of(README)[name])
    source = os.pathsep.join([str(ROOT), str(ROOT / "export")])
    environment = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-P", "pasted.py"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "random operations: none" in result.stdout
    difference = float(result.stdout.split("largest difference from Keras:")[1])
    assert difference < 1e-5
    assert {"quarters.onnx", "uncertainty.png"} <= {path.name for path in tmp_path.iterdir()}


def test_links_and_pictures_also_work_on_the_package_index():
    targets = re.findall(r"\]\(([^)\s]+)\)", README.read_text())
    assert len(targets) > 20
    for target in targets:
        page, _, part = target.partition("#")
        raw = f"{HOME.replace('github.com', 'raw.githubusercontent.com')}/main/"
        starts = (f"{HOME}/blob/main/", raw)
        (path,) = [page.removeprefix(start) for start in starts if page.startswith(start)]
        assert (ROOT / path).is_file(), target
        if part:
            heads = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.M)
            assert part in {
                re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in heads
            }


@pytest.mark.parametrize("samples", [None, 4])
def test_the_page_of_the_self_test_runs(samples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    softmax = keras.layers.Dense(3, activation="softmax", name="digit")
    rows = [keras.Input((8, 8, 1), name="image"), keras.layers.Flatten(), keras.layers.Dropout(0.5)]
    kde.export_onnx(keras.Sequential([*rows, softmax]), "model.onnx", samples=samples)
    page = README.parent / "docs" / "self_test.md"
    blocks = re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", page.read_text(), re.S)
    assert [name for name, _ in blocks] == ["self_test", "without"]
    names: dict[str, object] = {}
    for _, code in blocks:
        exec(code, names)
    assert names["report"].ok
    assert len(names["answers"]) == len(names["names"])
