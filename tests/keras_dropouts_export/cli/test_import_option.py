"""--import on each command that loads a model, and the sentence that names a missing class."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from command_line import run

CODE = '''
import keras

@keras.saving.register_keras_serializable("own")
class Twice(keras.layers.Layer):
    """Doubles its input."""

    def call(self, x):
        return 2.0 * x
'''


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a module, and the file of a model that another process made with it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_layers.py").write_text(CODE)
    save = (
        "import keras, own_layers;"
        "keras.Sequential([keras.Input((3,), name='x'), own_layers.Twice(name='y'),"
        "keras.layers.Dropout(0.5)]).save('m.keras')"
    )
    subprocess.run([sys.executable, "-c", save], check=True, cwd=folder, capture_output=True)
    return folder


@pytest.fixture
def model(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a model with a layer that this process does not know."""
    for path in saved.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "m.keras"


@pytest.fixture(autouse=True)
def forgotten():
    """Let every test begin without the module and its class."""

    def forget():
        sys.modules.pop("own_layers", None)
        keras.saving.get_custom_objects().pop("own>Twice", None)

    forget()
    path = sys.path.copy()
    yield
    sys.path[:] = path
    forget()


COMMANDS = {
    "inspect": [],
    "strip": ["out.keras"],
    "freeze": ["out.keras"],
    "export": ["out.onnx"],
    "doctor": [],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["own_layers", "own_layers.py"])
def test_a_module_is_imported(command, name, model, capsys):
    status, out, err = run(capsys, command, model, *COMMANDS[command], "--import", name)
    assert (status in (0, 1), err) == (True, ""), out
    if command == "export":
        session = onnxruntime.InferenceSession("out.onnx")
        (doubled,) = session.run(None, {"x": np.ones((2, 3), "float32")})
        np.testing.assert_array_equal(doubled, np.full((2, 3), 2.0))
        status, out, err = run(capsys, "verify", model, "out.onnx", "--import", name)
        assert (status, err) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_class_is_named_with_the_flag(command, model, capsys):
    status, out, err = run(capsys, command, model, *COMMANDS[command])
    assert (status, out) == (1, "")
    assert "Class 'Twice' is not known: pass --import with the module" in err
    assert "Traceback" not in err
    assert not Path("out.keras").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module", "No module named 'no_such_module'"),
        ("missing.py", "there is no such file"),
        ("broken.py", "division by zero"),
        ("", "Empty module name"),
    ],
)
def test_what_cannot_be_imported(name, reason, model, capsys):
    Path("broken.py").write_text("1 / 0")
    status, out, err = run(capsys, "inspect", model, "--import", name)
    assert (status, out) == (1, "")
    assert "`--import`. Expected a module that can be imported, or a .py file" in err
    assert reason in err.replace("\n", " ")
    assert "broken" not in sys.modules
