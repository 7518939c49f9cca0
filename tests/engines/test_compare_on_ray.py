"""Tests of `kd.compare` on Ray: what one process gives, failures, a process that is killed."""

import json

from engines.running import ROOT, running

PYTHON = ROOT / ".venv-ray" / "bin" / "python"


def test_compare_on_ray(tmp_path):
    script = ROOT / "tests" / "engines" / "ray_comparison.py"
    with running(PYTHON, script, ROOT / "tests", tmp_path / "died") as run:
        status, printed, complained = run.result()
    assert status == 0, complained
    found = json.loads(printed.splitlines()[-1])
    failed, missing = found.pop("failed"), found.pop("missing")
    assert found == {"same": True, "still up": True, "killed": True, "ended": True}
    assert failed == "Training 'bad' with seed 0 failed: OSError: no such model"
    assert missing.startswith("Ray could not run a training: ")
    assert "No module named 'compared_models'" in missing
    assert missing.endswith("the modules of the builders.")
    assert "Traceback" not in missing
