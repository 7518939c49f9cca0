"""Tests exports, `verify` and `doctor` where Keras runs on JAX or PyTorch, each in a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest

PROGRAMS = Path(__file__).parents[2] / "other_backends"
BACKENDS = [each for each in ("jax", "torch") if find_spec(each)]

# What the installed script does, which imports Keras only when a command needs it.
COMMAND = """
import sys
sys.argv[0] = "keras-dropouts"
from keras_dropouts_export.cli.__main__ import main
main()
"""

pytestmark = pytest.mark.slow
on_each = pytest.mark.parametrize("backend", BACKENDS)


def run(backend: str, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    # The folder of a script is the first on its path, so its modules are found as a user's are.
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", PROGRAMS / program, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@on_each
@pytest.mark.parametrize("program", ["ordinary.py", "sampled.py", "own_classes.py"])
def test_a_program_on_another_backend(backend: str, program: str, tmp_path: Path) -> None:
    done = run(backend, program, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == "ok"


def test_a_script_that_runs_as_a_whole_is_not_imported(tmp_path: Path) -> None:
    done = run(BACKENDS[0], "unguarded.py", tmp_path / "m.onnx", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert "class 'InScript' of module '__main__' cannot be imported there" in done.stdout
    assert "an import would run the whole script once more" in done.stdout
    assert "`if __name__ == '__main__':`" in done.stdout
    assert (tmp_path / "runs").read_text() == "run\n"
    assert not (tmp_path / "m.onnx").exists()


def test_a_guarded_script_that_exports_when_it_is_imported_exports_once(tmp_path: Path) -> None:
    done = run(BACKENDS[0], "half_guarded.py", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert "it exports or examines a model while it is" in done.stdout
    assert not (tmp_path / "m.onnx").exists()


def test_a_class_of_a_session_is_named(tmp_path: Path) -> None:
    code = (PROGRAMS / "unguarded.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.onnx"), str(tmp_path / "runs")],
        env={**os.environ, "KERAS_BACKEND": BACKENDS[0]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "class 'InScript' of module '__main__' cannot be imported there" in done.stdout
    assert "it is defined in a notebook or an interactive session" in done.stdout


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("interrupt", "KeyboardInterrupt"),
        ("raise", "LookupError of the user's own"),
        ("kill", "was ended by the signal SIGKILL, and nothing was written"),
    ],
)
def test_an_export_that_is_ended_leaves_no_process(how: str, said: str, tmp_path: Path) -> None:
    done = run(BACKENDS[0], "ended.py", tmp_path / "m.onnx", how)
    assert done.returncode == 0, done.stderr
    assert "temporary folders: 1" in done.stdout
    assert said in done.stdout
    assert "left: []" in done.stdout
    if how != "kill":  # the folder of one that was killed is removed by the next export
        assert list(tmp_path.iterdir()) == []
    assert not (tmp_path / "m.onnx").exists()


def test_a_signal_that_ends_the_first_process_ends_the_other_one(tmp_path: Path) -> None:
    done = run(BACKENDS[0], "ended.py", tmp_path / "m.onnx", "terminate")
    assert done.returncode == -signal.SIGTERM, done.stderr
    (started,) = [line for line in done.stdout.splitlines() if line.startswith("started")]
    for number in started.split()[1:]:
        assert not Path(f"/proc/{number}").exists()
    assert list(tmp_path.iterdir()) == []


@on_each
def test_the_command_line_runs_on_tensorflow_whatever_the_setting_says(
    backend: str, tmp_path: Path
) -> None:
    layers = [keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dropout(0.5, name="drop")]
    keras.Sequential(layers).save(tmp_path / "m.keras")
    for arguments in (["strip", "m.keras", "bare.keras"], ["export", "m.keras", "m.onnx"]):
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=tmp_path,
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / arguments[-1]).exists()


def test_what_to_install_where_there_is_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None; "
        "from keras_dropouts_export import export_onnx"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": BACKENDS[0]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: keras_dropouts_export and the command keras-dropouts need "
        "tensorflow. Install what is missing: pip install 'keras-dropouts[export]'"
    )
