"""Tests of what users install: the built wheel, outside the tree, and what its modules import."""

import ast
import json
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import keras_dropouts
from environments import PIP, SITE, Built, done, run

pytestmark = pytest.mark.xdist_group("package")  # on one worker: its environments take long to make

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "keras_dropouts").rglob("*.py")]
EXPORT_SOURCES = [*(ROOT / "export" / "keras_dropouts_export").rglob("*.py")]
NAME = f"keras_dropouts-{keras_dropouts.__version__}"


def _environment(folder: Path, wheel: Path) -> Path:
    """Make an empty virtual environment with the wheel in it; return where its scripts are."""
    venv.create(folder, with_pip=False)
    scripts = folder / "bin"
    pip = [*PIP, scripts / "python", "install", "--quiet", "--no-deps", "--no-index"]
    done(run(*pip, wheel, cwd=folder))
    return scripts


@pytest.fixture(scope="module")
def bare(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with nothing that it needs."""
    return _environment(tmp_path_factory.mktemp("bare"), built.wheel)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, with what it needs borrowed from the environment of this run."""
    folder = tmp_path_factory.mktemp("installed")
    scripts = _environment(folder, built.wheel)
    # Python reads no .pth files in a folder named by one: this run's editable install stays out.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{SITE}\n")
    return scripts


@pytest.mark.slow
def test_the_wheel_holds_the_two_packages_and_nothing_else(built: Built) -> None:
    names = zipfile.ZipFile(built.wheel).namelist()
    expected = {str(path.relative_to(ROOT)) for path in SOURCES}
    expected |= {str(path.relative_to(ROOT / "export")) for path in EXPORT_SOURCES}
    expected |= {"keras_dropouts/py.typed", "keras_dropouts_export/py.typed"}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert f"{NAME}.dist-info/licenses/LICENSE" in names


@pytest.mark.slow
def test_the_sdist_holds_what_the_tests_need_and_no_leftovers(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    tops = {name.split("/")[0] for name in names}
    assert {"keras_dropouts", "export", "tests", "pyproject.toml", "LICENSE", "README.md"} <= tops
    made = {name for name in names if ".venv" in name or name.endswith((".pyc", ".keras"))}
    assert made == {"examples/browser/digits.keras"}  # the model of the demo, which is kept


@pytest.mark.slow
def test_both_packages_import_from_outside_the_tree(installed: Path, tmp_path: Path) -> None:
    script = """
import importlib.metadata, json
import keras_dropouts, keras_dropouts_export
print(json.dumps({
    "files": [keras_dropouts.__file__, keras_dropouts_export.__file__],
    "versions": [keras_dropouts.__version__, importlib.metadata.version("keras-dropouts")],
}))
"""
    found = json.loads(done(run(installed / "python", "-c", script, cwd=tmp_path)))
    home = installed.parent
    assert all(Path(file).is_relative_to(home) for file in found["files"]), found
    assert found["versions"] == [keras_dropouts.__version__] * 2


@pytest.mark.slow
def test_no_module_with_a_common_name_is_installed(bare: Path, tmp_path: Path) -> None:
    script = """
from importlib.util import find_spec
names = ("export", "tests", "examples", "benchmarks", "docs", "keras_dropouts")
print([name for name in names if find_spec(name)])
"""
    output = done(run(bare / "python", "-c", script, cwd=tmp_path))
    assert output.strip() == "['keras_dropouts']"


@pytest.mark.slow
def test_the_command_runs(installed: Path, tmp_path: Path) -> None:
    text = done(run(installed / "keras-dropouts", "--help", cwd=tmp_path))
    assert all(word in text for word in ("inspect", "strip", "freeze", "export", "verify"))


@pytest.mark.slow
def test_without_the_extra_the_command_says_what_to_install(bare: Path, tmp_path: Path) -> None:
    result = run(bare / "keras-dropouts", "--help", cwd=tmp_path)
    assert result.returncode == 1
    assert "need tensorflow, tf2onnx, onnx," in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.rstrip().endswith("pip install 'keras-dropouts[export]'")


@pytest.mark.slow
def test_the_layers_leave_tensorflow_alone_on_another_backend(
    installed: Path, tmp_path: Path
) -> None:
    script = """
import sys
import keras_dropouts
print([name for name in ("tensorflow", "tf2onnx", "onnx", "click") if name in sys.modules])
"""
    result = run(installed / "python", "-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    assert done(result).strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_of_the_layers_import_keras_and_numpy_alone(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "keras", "keras_dropouts", "numpy"}
    if path.parent.name == "backends":
        allowed |= {path.stem.split("_")[-1]} & {"jax", "tensorflow", "torch"}  # each its own
    for node in ast.parse(path.read_text()).body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            names = [node.module or ""]
        strangers = {name.split(".")[0] for name in names} - allowed
        assert not strangers, f"line {node.lineno}: {strangers}"


@pytest.mark.parametrize(
    "path", [*SOURCES, *EXPORT_SOURCES], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
