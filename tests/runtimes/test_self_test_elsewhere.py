"""The lines of docs/self_test.md for JavaScript and C++, run as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import browser
import onnx
import pytest
from runtime_table import MODULES, ROOT, VENV

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "self_test.md"
KEY = "keras_dropouts.self_test"
ALL = ("dense", "dict", "lstm masked", "mc samples", "mc rows")


def code(name: str) -> str:
    """Return the block of the page with a name."""
    found = re.findall(rf"<!-- test: {name} -->\n```\w+\n(.*?)```", PAGE.read_text(), re.S)
    assert len(found) == 1
    return str(found[0])


def changed(path: Path, to: Path) -> Path:
    """Write a copy of a file whose test has another seed, so that its answers are others."""
    model = onnx.load(path)
    properties = {each.key: each.value for each in model.metadata_props}
    test = json.loads(properties[KEY])
    test["inputs"]["seed"]["values"][0] -= 2**40
    onnx.helper.set_model_props(model, {**properties, KEY: json.dumps(test)})
    onnx.save(model, to)
    return to


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the block for JavaScript to a file."""
    path = tmp_path_factory.mktemp("javascript") / "self_test.mjs"
    path.write_text(code("javascript"), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the block for C++."""
    folder = tmp_path_factory.mktemp("cpp")
    main = (HERE / "self_test_main.cpp").read_text(encoding="utf-8")
    (folder / "main.cpp").write_text(f"{code('cpp')}\n{main}", encoding="utf-8")
    (library,) = MODULES.glob("onnxruntime-node/bin/*/linux/x64/libonnxruntime.so.1")
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{VENV / 'include'}"]
    command += [str(folder / "main.cpp"), str(library), f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*command, "-o", str(folder / "main")], check=True)
    return folder / "main"


def said(*command: str | Path) -> str:
    """Return what a command prints."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def in_node(javascript: Path, model: Path, *wrong: str) -> str:
    """Return what the block for JavaScript says in Node."""
    return said("node", HERE / "self_test_node.mjs", MODULES, javascript, model, *wrong)


@pytest.mark.parametrize("name", ALL)
def test_node_passes(name: str, javascript: Path, folders: dict[str, Path]) -> None:
    assert in_node(javascript, folders[name] / "model.onnx") == "passed"


def test_node_finds_what_is_wrong(
    javascript: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = folders["mc samples"] / "model.onnx"
    wrong = "This runtime computes masks_samples wrongly."
    assert in_node(javascript, model, "in 32 bits") == wrong
    assert in_node(javascript, changed(model, tmp_path / "m.onnx")) == wrong


@pytest.mark.parametrize("provider", ["wasm", "webgpu"])
def test_a_browser_passes_and_finds_what_is_wrong(
    provider: str, javascript: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = folders["mc samples"] / "model.onnx"
    other = changed(model, tmp_path / "m.onnx")
    for file, expected in (
        (folders["dict"] / "model.onnx", "passed"),
        (model, "passed"),
        (other, "This runtime computes masks_samples wrongly."),
    ):
        files = {
            "/test.html": HERE / "self_test_page.html",
            "/self_test.mjs": javascript,
            "/model.onnx": file,
        }
        route = f"/test.html?provider={provider}"
        state = browser.visited(MODULES / "onnxruntime-web", files, route, limit=300.0)
        assert state is not None
        assert state["said"] == expected


@pytest.mark.parametrize("name", ALL)
def test_cpp_passes(name: str, program: Path, folders: dict[str, Path]) -> None:
    assert said(program, folders[name] / "model.onnx") == "passed"


def test_cpp_finds_what_is_wrong(program: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    other = changed(folders["mc samples"] / "model.onnx", tmp_path / "m.onnx")
    assert said(program, other) == "This runtime computes wrongly: masks_samples"
