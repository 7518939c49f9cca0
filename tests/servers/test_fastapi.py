"""Tests of examples/serving/app.py: bursts, health, self-test at the start, bad requests."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
import model_servers
from model_servers import ROOT, SERVERS, get, post, posted

pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "serving"
PYTHON = SERVERS / "bin" / "python"


def command(port: int) -> list[object]:
    return [PYTHON, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", port]


@pytest.fixture(scope="module")
def address(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = model_servers.free_port(), tmp_path_factory.mktemp("fastapi") / "app.log"
    address = f"http://127.0.0.1:{port}"
    environment = {"MODEL": str(served.path), "MAX_ROWS": "16"}
    ready = f"{address}/health"
    with model_servers.started(command(port), ready, log, EXAMPLE, **environment):
        yield address


def arrays(answer: Any) -> dict[str, np.ndarray]:
    return {name: np.array(x, "float32") for name, x in answer["outputs"].items()}


def test_two_bursts_get_the_answers_of_mc_predict_in_whatever_batches(address, served):
    sizes = []

    def ask(row):
        inputs = {"image": served.x[[row]].tolist()}
        seed = served.seeds[[row]].tolist()
        answer = posted(f"{address}/predict", {"inputs": inputs, "seed": seed})
        sizes.append(answer["batch_rows"])
        assert answer["seed"] == seed
        return arrays(answer)

    model_servers.two_bursts(ask, served.wanted)
    counts = {size: sizes.count(size) // size for size in sorted(set(sizes))}
    print(f"batches by their number of rows: {counts}")
    assert 1 < max(sizes) <= 16


def test_health_and_what_the_model_is(address):
    assert get(f"{address}/health") == {"status": "ready", "self_test": "passed"}
    found = get(f"{address}/model")
    assert found["inputs"]["seed"] == {"type": "tensor(int64)", "shape": ["batch"]}
    assert found["labels"] == {"digit": ["cat", "dog", "bird"]}


def test_seeds_that_are_not_given_are_drawn_and_returned(address, served):
    inputs = {"image": served.x[:3].tolist()}
    one, other = (posted(f"{address}/predict", {"inputs": inputs}) for _ in range(2))
    assert one["seed"] != other["seed"]
    assert all(0 <= seed < 2**53 for seed in one["seed"])
    again = posted(f"{address}/predict", {"inputs": inputs, "seed": one["seed"]})
    wanted = kd.mc_predict(served.model, served.x[:3], samples=32, row_seeds=one["seed"])
    for answer in (one, again):
        got = arrays(answer)["digit_mean"]
        np.testing.assert_allclose(got, wanted.mean, rtol=1e-6, atol=model_servers.ATOL)


GOOD = np.zeros((2, 8, 8, 1)).tolist()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "Field required"),
        ({"inputs": {"image": GOOD}, "more": 1}, 422, "Extra inputs are not permitted"),
        ({"inputs": {"image": 3}}, 422, "Input should be a valid list"),
        ({"inputs": {"picture": GOOD}}, 422, "`inputs` must have the names ['image']"),
        ({"inputs": {"image": []}}, 422, "must be of shape [rows, 8, 8, 1], and is of [0]"),
        ({"inputs": {"image": [[1.0]]}}, 422, "must be of shape [rows, 8, 8, 1]"),
        ({"inputs": {"image": [[1.0], [1.0, 2.0]]}}, 422, "must have rows of equal lengths"),
        ({"inputs": {"image": [["a"]]}}, 422, "must hold numbers of float32"),
        ({"inputs": {"image": [[None]]}}, 422, "must hold numbers of float32"),
        ({"inputs": {"image": np.full((1, 8, 8, 1), 1e300).tolist()}}, 422, "must hold finite"),
        ({"inputs": {"image": np.full((1, 8, 8, 1), np.nan).tolist()}}, 422, "must hold finite"),
        ({"inputs": {"image": GOOD}, "seed": [1]}, 422, "one integer for each of the 2 rows"),
        ({"inputs": {"image": GOOD}, "seed": 1}, 422, "Input should be a valid list"),
        ({"inputs": {"image": GOOD}, "seed": [1, 2.5]}, 422, "Input should be a valid integer"),
        ({"inputs": {"image": GOOD}, "seed": [1, 2**63]}, 422, "less than or equal to 9223372"),
        ({"inputs": {"image": GOOD * 9}}, 413, "A request has at most 16 rows"),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(body, status, message, address):
    found, answer = post(f"{address}/predict", body)
    assert (found, message in json.dumps(answer, ensure_ascii=False)) == (status, True), answer


def test_requests_that_find_too_many_before_them_are_told_to_come_later(served, tmp_path):
    port = model_servers.free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {"MODEL": str(served.path), "MAX_ROWS": "1", "MAX_WAITING": "1"}
    body = {"inputs": {"image": served.x[:1].tolist()}, "seed": [7]}
    answers = []

    def ask(_):
        answers.append(post(f"{address}/predict", body))
        return {"status": np.array([answers[-1][0]])}

    ready, log = f"{address}/health", tmp_path / "app.log"
    with model_servers.started(command(port), ready, log, EXAMPLE, **environment):
        statuses = model_servers.burst(ask, range(64))["status"]
        assert post(f"{address}/predict", body)[0] == 200
    assert set(statuses.tolist()) == {200, 503}
    refused = [answer for status, answer in answers if status == 503]
    assert refused[0] == {"detail": "Too many requests wait. Try again later."}


@pytest.mark.parametrize("fault", ["weights", "fixed masks"])
def test_the_app_does_not_start_with_a_file_that_fails_its_self_test(fault, served, tmp_path):
    path = tmp_path / "other.onnx"
    if fault == "weights":
        model = onnx.load(served.path)
        (weights,) = (x for x in model.graph.initializer if list(x.dims) == [16, 3])
        weights.CopyFrom(onnx.numpy_helper.from_array(np.eye(16, 3, dtype="float32"), weights.name))
        onnx.save(model, path)
    else:
        kde.export_onnx(served.model, path, samples=32, fixed_masks=True)
    environment = {**os.environ, "MODEL": str(path), "PYTHONPATH": ""}
    started = [str(part) for part in command(model_servers.free_port())]
    done = subprocess.run(
        started, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    what = "" if fault == "weights" else ", its rows alone"
    assert f"self-test failed: output 'digit_mean'{what} is not the file's" in done.stderr


def test_the_requirements_are_enough_and_hold_no_keras(tmp_path):
    names = re.findall(r"^([\w-]+)", (EXAMPLE / "requirements.txt").read_text(), re.M)
    assert names == ["fastapi", "numpy", "onnxruntime", "uvicorn"]
    others = ("keras", "tensorflow", "keras_dropouts")
    script = f"import sys, app; print([name for name in {others} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [PYTHON, "-c", script], cwd=EXAMPLE, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_the_load_test_prints_ratios(served):
    script = [PYTHON, "load_test.py", served.path, "--requests", "64", "--clients", "16"]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [str(part) for part in script],
        cwd=EXAMPLE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^64 requests of one row, 16 clients, \d+\.\d rows in a batch", done.stdout)
    assert len(re.findall(r"^\| .* \| \d+\.\d+ \|$", done.stdout, re.M)) == 5
