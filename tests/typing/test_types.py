"""What mypy and pyright see in a user's script: the types of both packages, and mistakes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPT, MISTAKES = HERE / "user_script.py", HERE / "user_mistakes.py"

pytestmark = pytest.mark.slow


def errors_of_mypy(script: Path, folder: Path) -> dict[int, str]:
    """Return the errors by line that `mypy --strict` finds in a script outside this project."""
    shutil.copy(script, folder)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache"]
    done = subprocess.run([*command, script.name], capture_output=True, text=True, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(rf"^{script.name}:(\d+): error: (.*)$", done.stdout, re.M)
    assert len(found) == done.stdout.count(": error: "), done.stdout
    return {int(line): message for line, message in found}


def errors_of_pyright(script: Path, folder: Path) -> dict[int, str]:
    """Return the errors by line that pyright finds in a script outside this project."""
    shutil.copy(script, folder)
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, script.name], capture_output=True, text=True, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {
        row["range"]["start"]["line"] + 1: row["message"]
        for row in json.loads(done.stdout)["generalDiagnostics"]
        if row["severity"] == "error"
    }


CHECKERS = [errors_of_mypy, errors_of_pyright]


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_script_has_the_types_that_it_asserts(checker, tmp_path):
    assert checker(SCRIPT, tmp_path) == {}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_mistakes_are_seen(checker, tmp_path):
    wanted = [
        number
        for number, line in enumerate(MISTAKES.read_text().splitlines(), 1)
        if line.endswith("# error")
    ]
    assert sorted(checker(MISTAKES, tmp_path)) == wanted
