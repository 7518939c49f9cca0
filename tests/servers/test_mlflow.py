"""Tests of MLflow models: `mlflow models serve` and a function of Spark answer as `mc_predict`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

import keras_dropouts_export as kde
import model_servers
from model_servers import MLFLOW, SERVERS, post, posted

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parent / "spark_rows.py"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of another environment."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **QUIET, "PYSPARK_PYTHON": str(SERVERS / "bin" / "python")},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def models(served: Any, column: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Package the artifact and its variant where MLflow is installed, as a user does."""
    folder = tmp_path_factory.mktemp("mlflow")
    for path in (served.path, column):
        command = [MLFLOW / "bin" / "keras-dropouts", "package", path, "--for", "mlflow"]
        done = run(*command, folder / path.stem, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "an MLflow model" in done.stdout
    return folder


@pytest.fixture(scope="module")
def address(models: Path) -> Iterator[str]:
    """Serve the artifact with `mlflow models serve`."""
    port = model_servers.free_port()
    command = [SERVERS / "bin" / "mlflow", "models", "serve", "--model-uri", models / "digits"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", port]
    address, path = f"http://127.0.0.1:{port}", f"{SERVERS / 'bin'}:{os.environ['PATH']}"
    log = models / "serve.log"
    with model_servers.started(command, f"{address}/ping", log, models, PATH=path, **QUIET):
        yield f"{address}/invocations"


def arrays(answer: Any) -> dict[str, np.ndarray]:
    return {name: np.array(x, "float32") for name, x in answer["predictions"].items()}


def test_the_model_has_the_flavor_a_signature_and_an_example(models, served):
    found = yaml.safe_load((models / "digits" / "MLmodel").read_text())
    assert set(found["flavors"]) == {"onnx", "python_function"}
    inputs, outputs = (json.loads(found["signature"][side]) for side in ("inputs", "outputs"))
    shapes = {each["name"]: each["tensor-spec"] for each in (*inputs, *outputs)}
    assert shapes["image"] == {"dtype": "float32", "shape": [-1, 8, 8, 1]}
    assert shapes["seed"] == {"dtype": "int64", "shape": [-1]}
    assert shapes["digit_mean"] == {"dtype": "float32", "shape": [-1, 3]}
    example = json.loads((models / "digits" / "serving_input_example.json").read_text())
    sent = json.loads((models / "digits" / "sample_request.json").read_text())
    assert example["inputs"]["seed"] == sent["inputs"]["seed"]
    assert max(map(abs, sent["inputs"]["seed"])) > 2**53  # no digit was lost on the way
    session = onnxruntime.InferenceSession(models / "digits" / "model.onnx")
    names = [each.name for each in session.get_outputs()]
    path = models / "digits" / "model.onnx"
    assert kde.self_test(path, lambda x: dict(zip(names, session.run(names, x), strict=True))).ok


def test_a_file_with_weights_beside_it_keeps_them_beside_it(served, tmp_path):
    model = onnx.load(served.path)
    (weights,) = (x for x in model.graph.initializer if list(x.dims) == [144, 16])
    onnx.external_data_helper.set_external_data(weights, "large.onnx.data")
    onnx.save(model, tmp_path / "large.onnx")
    command = [MLFLOW / "bin" / "keras-dropouts", "package", tmp_path / "large.onnx"]
    done = run(*command, tmp_path / "out", "--for", "mlflow", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "model.onnx.data" in json.loads(done.stdout)["files"]
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    (mean,) = session.run(["digit_mean"], {"image": served.x, "seed": served.seeds})
    wanted = served.wanted["digit_mean"]
    np.testing.assert_allclose(mean, wanted, rtol=1e-6, atol=model_servers.ATOL)


def test_two_bursts_get_the_answers_of_mc_predict(address, served):
    def ask(row):
        inputs = {"image": served.x[[row]].tolist(), "seed": served.seeds[[row]].tolist()}
        return arrays(posted(address, {"inputs": inputs}))

    model_servers.two_bursts(ask, served.wanted)


def test_the_sample_request_gets_the_sample_answer(address, models):
    sent, wanted = (
        json.loads((models / "digits" / f"sample_{side}.json").read_text())
        for side in ("request", "answer")
    )
    got = arrays(posted(address, sent))
    for name, x in arrays(wanted).items():
        np.testing.assert_allclose(got[name], x, rtol=1e-6, atol=model_servers.ATOL)


def test_rows_of_a_table_are_flattened_images_and_seeds(address, served):
    rows = zip(served.x.reshape(len(served.x), -1).tolist(), served.seeds.tolist(), strict=True)
    table = {"columns": ["image", "seed"], "data": [list(row) for row in rows]}
    got = arrays(posted(address, {"dataframe_split": table}))
    for name, x in served.wanted.items():
        np.testing.assert_allclose(got[name], x, rtol=1e-6, atol=model_servers.ATOL)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"image": np.zeros((1, 8, 8, 1)).tolist()}, "missing inputs ['seed']"),
        ({"image": np.zeros((1, 8, 8, 1)).tolist(), "seed": 7}, "Shape of input () does not match"),
    ],
    ids=["no seed", "one number"],
)
def test_another_seed_is_refused_with_a_sentence(inputs, message, address):
    status, answer = post(address, {"inputs": inputs})
    assert status == 400
    assert message in answer["message"]


@pytest.mark.parametrize("name", ["digits", "column"])
def test_a_function_of_spark_gives_the_answers_of_mc_predict(name, models, served, tmp_path):
    np.savez(tmp_path / "rows.npz", x=served.x, seeds=served.seeds)
    kind = ", ".join(f"{output} array<float>" for output in served.wanted)
    done = run(
        *(SERVERS / "bin" / "python", SCRIPT, models / name, tmp_path / "rows.npz", kind),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    for output, x in served.wanted.items():
        got = np.array([row[output] for row in rows], "float32")
        np.testing.assert_allclose(got, x, rtol=model_servers.RTOL, atol=model_servers.ATOL)
        print(f"{output}: largest relative error {np.max(np.abs(got - x) / x):.2g}")


def test_spark_is_told_the_type_of_the_answer_as_it_cannot_find_it(models, served, tmp_path):
    np.savez(tmp_path / "rows.npz", x=served.x[:8], seeds=served.seeds[:8])
    command = [SERVERS / "bin" / "python", SCRIPT, models / "digits", tmp_path / "rows.npz"]
    done = run(*command, "array<array<float>>", cwd=tmp_path)
    assert done.returncode != 0
    assert "could not convert string to float: 'digit_mean'" in done.stderr
