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
MADE = ("dense", "dict", "lstm masked", "mc samples", "mc rows")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make the artifacts as ONNX files, with Keras's own answers, once."""
    assert (runtime_table.VENV / ".installed").exists(), "make test-runtimes makes what is missing"
    place = tmp_path_factory.mktemp("artifacts")
    found = {}
    for name in MADE:
        found[name] = place / name.replace(" ", "_")
        making.make(NAMED[name], found[name], formats=("onnx",))
    return found


@pytest.fixture(scope="session")
def named() -> dict[str, Artifact]:
    """Return the artifacts of the table by their names."""
    return NAMED
