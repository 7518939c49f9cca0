"""Gives the tests of other runtimes the modules of benchmarks/runtimes and a few artifacts.

`make test-runtimes` runs them, with what .venv-runtimes holds; `make test` does not.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "runtimes"))

import making
import runtime_table
from artifacts import ARTIFACTS, Artifact

NAMED = {artifact.name: artifact for artifact in ARTIFACTS}


class Folders(dict[str, Path]):
    """The folders of artifacts by their names, each made as an ONNX file when it is asked for."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place

    def __missing__(self, name: str) -> Path:
        folder = self.place / name.replace(" ", "_")
        making.make(NAMED[name], folder, formats=("onnx",))
        self[name] = folder
        return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Make artifacts with Keras's own answers beside them, each once."""
    assert (runtime_table.VENV / ".installed").exists(), "make test-runtimes makes what is missing"
    return Folders(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def named() -> dict[str, Artifact]:
    """Return the artifacts of the table by their names."""
    return NAMED
