"""Tests of the wheel beside what is installed already, and of the layers without TensorFlow."""

import importlib.metadata
import json
from pathlib import Path

import pytest

import environments
from environments import PIP, done, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("package")]

ROOT = Path(__file__).parents[1]
GIVEN = ("keras", "tensorflow", "numpy")

TRAIN_AND_SAMPLE = """
import sys
import keras, numpy as np
import keras_dropouts as kd
x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
model = keras.Sequential([
    keras.Input((6,)),
    kd.ScheduledDropout(kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=8), seed=1),
    keras.layers.Dense(2),
])
model.compile("sgd", "mse")
losses = model.fit(x, x[:, :2], batch_size=8, epochs=3, verbose=0).history["loss"]
samples = kd.mc_predict(model, x, samples=8, seed=3)
assert np.isfinite(losses).all() and (samples.std > 0).all()
assert "tensorflow" not in sys.modules
print(keras.backend.backend())
"""


def installed_here(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


BACKENDS = [name for name in ("jax", "torch") if installed_here(name)]


@pytest.fixture(scope="module")
def without_tensorflow(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel beside Keras and the other backends; pip finds nothing missing."""
    folder = tmp_path_factory.mktemp("without_tensorflow")
    scripts = environments.environment(folder, "keras", "numpy", *BACKENDS)
    done(run(*PIP, scripts / "python", "install", "--quiet", "--no-index", wheel, cwd=folder))
    return scripts


def test_the_layers_are_tested_on_a_backend_without_tensorflow() -> None:
    assert "jax" in BACKENDS


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_train_and_are_sampled_without_tensorflow(
    backend: str, without_tensorflow: Path, tmp_path: Path
) -> None:
    python = without_tensorflow / "python"
    assert run(python, "-c", "import tensorflow", cwd=tmp_path).returncode == 1
    result = run(python, "-c", TRAIN_AND_SAMPLE, cwd=tmp_path, KERAS_BACKEND=backend)
    assert done(result).splitlines()[-1] == backend


@pytest.mark.parametrize("settings", [{}, {"KERAS_BACKEND": "tensorflow"}], ids=["unset", "set"])
def test_a_missing_backend_is_one_clear_sentence(
    settings: dict[str, str], without_tensorflow: Path, tmp_path: Path
) -> None:
    home = {"KERAS_HOME": str(tmp_path)}  # no keras.json of this user's chooses a backend
    python = without_tensorflow / "python"
    result = run(python, "-c", "import keras_dropouts", cwd=tmp_path, **settings, **home)
    assert result.returncode == 1
    assert result.stderr.rstrip().splitlines()[-1] == (
        "ModuleNotFoundError: Keras is set to run on the backend 'tensorflow', which is not "
        "installed: run `pip install tensorflow`, or set the environment variable KERAS_BACKEND "
        "to a backend that is, one of tensorflow, jax, torch."
    )


def ceilings(path: Path) -> None:
    """Write the newest releases as upper bounds: pip chooses as on the day they were listed."""
    lines = (ROOT / "constraints" / "newest.txt").read_text().splitlines()
    path.write_text("\n".join(line.replace("==", "<=", 1) for line in lines if line[:1] != "#"))


def versions(python: Path, folder: Path) -> dict[str, str]:
    """Return what pip sees in an environment."""
    listed = done(run(*PIP, python, "list", "--format=json", cwd=folder))
    return {each["name"]: each["version"] for each in json.loads(listed)}


def test_the_wheel_changes_nothing_that_is_installed_and_works_beside_it(
    wheel: Path, tmp_path: Path
) -> None:
    """As a user who has Keras, TensorFlow and NumPy, and asks pip for the extra `export`."""
    scripts = environments.environment(tmp_path / "environment", *GIVEN)
    python = scripts / "python"
    before = versions(python, tmp_path)
    assert not {"onnx", "onnxruntime", "tf2onnx"} & set(before)
    ceilings(tmp_path / "ceilings.txt")
    pip = [*PIP, python, "install", "--quiet", "--constraint", tmp_path / "ceilings.txt"]
    done(run(*pip, f"{wheel}[export]", cwd=tmp_path))
    after = versions(python, tmp_path)
    assert before == {name: after.get(name) for name in before}
    added = {name: after[name] for name in set(after) - set(before)}
    assert {"keras-dropouts", "onnx", "onnxruntime", "tf2onnx"} <= set(added), added

    answer = done(run(python, ROOT / "tests" / "smoke.py", tmp_path, cwd=tmp_path))
    ran = json.loads(answer.splitlines()[-1])
    for name in GIVEN:
        assert ran[name] == importlib.metadata.version(name)
    for name in ("onnx", "onnxruntime"):
        assert ran[name] == added[name]
