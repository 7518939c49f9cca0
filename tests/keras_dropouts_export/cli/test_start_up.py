"""Tests that help, version and completion import nothing heavy; a command what it needs."""

import json
import os
import subprocess
import sys

import pytest

from keras_dropouts_export.cli.commands import cli

HEAVY = ("jax", "keras", "numpy", "onnx", "onnxruntime", "rich", "tensorflow", "tf2onnx", "torch")
SCRIPT = """
import json, sys
sys.argv = ["keras-dropouts", *json.loads(sys.argv[1])]
from keras_dropouts_export.cli.__main__ import main
try:
    main()
finally:
    print("loaded", [name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""


def command(*arguments, cwd=None, **environment):
    """Run the command line in a process of its own, which says what it has loaded at its end."""
    script = SCRIPT.format(heavy=HEAVY)
    return subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], "Commands:"),
        (["-h"], "_KERAS_DROPOUTS_COMPLETE=bash_source"),
        (["--version"], "keras-dropouts, version "),
        *([[name, "--help"], f"Usage: keras-dropouts {name}"] for name in sorted(cli.commands)),
    ],
    ids=" ".join,
)
def test_help_and_version_load_nothing_heavy(arguments, words):
    done = command(*arguments)
    assert words in done.stdout
    assert (done.returncode, done.stderr) == (0, "loaded []\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_loads_nothing_heavy(shell):
    source = command(_KERAS_DROPOUTS_COMPLETE=f"{shell}_source")
    assert "keras-dropouts" in source.stdout
    assert (source.returncode, source.stderr) == (0, "loaded []\n")
    words = {"COMP_WORDS": "keras-dropouts ver", "COMP_CWORD": "ver" if shell == "fish" else "1"}
    done = command(_KERAS_DROPOUTS_COMPLETE=f"{shell}_complete", **words)
    assert "verify" in done.stdout
    assert "strip" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "loaded []\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["export", "a.keras"], "Missing argument 'OUT'"),
        (["export", "a.keras", "b.onnx", "--reduce", "none"], "--reduce is for an export with"),
    ],
)
def test_a_wrong_command_line_is_refused_before_anything_heavy_is_loaded(arguments, message):
    done = command(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.endswith("loaded []\n")


@pytest.mark.slow
def test_a_command_loads_what_it_needs_without_a_word_of_tensorflow(tmp_path):
    done = command("inspect", "nothing.keras", cwd=tmp_path)
    error, loaded = done.stderr.splitlines()
    assert done.returncode == 1
    assert error.startswith("Error: Invalid value for argument `model`. Expected a .keras file")
    assert "'keras'" in loaded
    assert "'tensorflow'" in loaded


@pytest.mark.parametrize("missing", ["tensorflow", "click", "onnxruntime"])
def test_a_missing_package_is_one_message_and_status_1(missing):
    script = f"""
import sys
sys.argv = ["keras-dropouts", "inspect", "model.keras"]
find = sys.meta_path[-1].find_spec
class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name == {missing!r} else find(name, path, target)
sys.meta_path[-1] = Without
from keras_dropouts_export.cli.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: keras_dropouts_export and the command keras-dropouts need {missing}. "
        "Install what is missing: pip install 'keras-dropouts[export]'\n"
    )
