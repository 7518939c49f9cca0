"""Short runs of the benchmarks that kill exports and damage files."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name, *arguments):
    command = [sys.executable, BENCHMARKS / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_kills_at_every_rename_and_at_a_few_random_moments_lose_nothing():
    kinds = ("ONNX, weights in a second file", "SavedModel")
    done = run("kills.py", "--random", "4", "--only", *kinds)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 0 losses") == 2
    assert "At random moments: 4 kills, 0 losses" in done.stdout


@pytest.mark.slow
def test_damaged_and_hostile_files_are_refused():
    done = run("hostile_files.py", "--files", "28", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "28 files, seed 1" in done.stdout
