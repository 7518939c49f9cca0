"""Runs the code of the guide to uncertainty, block after block, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "uncertainty.md"
BLOCKS = re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), re.S)


@pytest.mark.slow
def test_the_guide_runs_as_pasted(tmp_path: Path) -> None:
    assert [name for name, _ in BLOCKS] == [
        "data",
        "measure",
        "calibrate",
        "conformal",
        "threshold",
        "serve",
    ]
    (tmp_path / "pasted.py").write_text("\n".join(code for _, code in BLOCKS))
    source = os.pathsep.join([str(ROOT), str(ROOT / "export")])
    environment = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "Agg"}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-P", "pasted.py"], check=False, **run)
    assert done.returncode == 0, done.stderr
    before, after = (float(each) for each in re.findall(r"(?:before|after) (\S+)", done.stdout))
    assert after < before
    (held,) = re.findall(r"the truth is in the set: (\S+)", done.stdout)
    assert float(held) > 0.95  # asked for 0.98; the deviation is 0.008
    command = [sys.executable, "-m", "keras_dropouts_export.cli", "evaluate", "digits.onnx"]
    served = subprocess.run([*command, "test.npz", "--seed", "7"], check=False, **run)
    assert served.returncode == 0, served.stderr
    assert "set coverage" in served.stdout
