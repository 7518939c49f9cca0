"""Runs the examples of distributed training as they stand; the page shows them as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "distributed"
SAME = "the resumed run is"

# What each program prints, and how often: once in each process that trains.
PROGRAMS = {
    "mirrored": ("tensorflow", "masks differ between the replicas", 1),
    "multi_worker": ("tensorflow", "masks differ between the workers", 2),
    "data_parallel": ("jax", "masks differ between the devices", 1),
    "model_parallel": ("jax", "four devices draw the masks of one", 1),
    "ddp": ("torch", "masks differ between the processes", 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [each for each in PROGRAMS if find_spec(PROGRAMS[each][0])])
def test_an_example_checks_itself(name: str, tmp_path: Path) -> None:
    _, said, times = PROGRAMS[name]
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    assert done.stdout.count(said) == times, done.stdout
    assert done.stdout.count(SAME) == times, done.stdout


def test_the_page_shows_each_example_as_it_is() -> None:
    page = (ROOT / "docs" / "distributed_training.md").read_text()
    names = {each.stem for each in EXAMPLES.glob("*.py")}
    assert names == {*PROGRAMS, "one_model"}
    for name in names:
        assert f"```python\n{(EXAMPLES / f'{name}.py').read_text()}```" in page, name
