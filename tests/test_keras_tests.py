"""Keras's own tests of its dropout layers, with ours in place; `make keras-tests` runs more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "keras_tests"


@pytest.mark.slow
def test_the_layers_pass_what_keras_asks_of_its_own() -> None:
    command = [sys.executable, str(FOLDER), "--only", "layers", "--backends", "tensorflow"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "layers on tensorflow: 25 of 25 pass" in done.stdout
