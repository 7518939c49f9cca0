"""Tests of model repositories in the core of Triton, which puts requests together in batches.

The core and its batching are those of NVIDIA's wheel `nvidia-pytriton`. Its backend for ONNX is not
in that wheel: `python_backend/model.py` runs the packaged file in onnxruntime in its place.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
import model_servers
from model_servers import SERVERS, get, post, posted

pytestmark = pytest.mark.slow
BACKEND = Path(__file__).parent / "python_backend" / "model.py"


def printed_by(*script: str) -> str:
    """Return what the Python of the servers prints."""
    command = [SERVERS / "bin" / "python", "-c", "\n".join(script)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def backends(folder: Path) -> Path:
    """Copy the Python backend, and the part of it that is made for this Python, beside it."""
    wheel = model_servers.site_packages(SERVERS) / "pytriton" / "tritonserver"
    version = printed_by("import sys", "print('%d.%d' % sys.version_info[:2])")
    shutil.copytree(wheel / "backends" / "python", folder / "backends" / "python")
    stub = "triton_python_backend_stub"
    shutil.copy(wheel / "python_backend_stubs" / version / stub, folder / "backends" / "python")
    return folder / "backends"


@contextmanager
def triton(repository: Path, folder: Path) -> Iterator[str]:
    """Start Triton on a repository, and yield its address."""
    for config in repository.glob("*/config.pbtxt"):
        text = config.read_text()
        assert text.count('backend: "onnxruntime"') == 1
        config.write_text(text.replace('backend: "onnxruntime"', 'backend: "python"'))
        shutil.copy(BACKEND, config.parent / "1")
    packages, port = model_servers.site_packages(SERVERS), model_servers.free_port()
    command = [packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"]
    command += ["--model-repository", repository, "--backend-directory", backends(folder)]
    command += ["--http-address", "127.0.0.1", "--http-port", port]
    command += ["--allow-grpc", "false", "--allow-metrics", "false"]
    libraries = printed_by("import sys", "print(sys.base_prefix)") + "/lib"
    environment = {
        "PATH": f"{SERVERS / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(packages),
        "LD_LIBRARY_PATH": f"{packages / 'nvidia_pytriton.libs'}:{libraries}",
    }
    address = f"http://127.0.0.1:{port}/v2"
    log = folder / "triton.log"
    with model_servers.started(command, f"{address}/health/ready", log, folder, **environment):
        yield address


@pytest.fixture(scope="module")
def address(served: Any, column: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the artifact as it is packaged, one that must not be put together, and a variant."""
    folder = tmp_path_factory.mktemp("triton")
    models = folder / "models"
    kde.package(served.path, models)
    alone = folder / "alone.onnx"
    kde.export_onnx(served.model, alone, samples=32, fixed_masks=True)
    kde.package(alone, folder / "more")
    shutil.move(folder / "more" / "alone", models / "alone")
    kde.package(column, folder / "most")
    shutil.move(folder / "most" / "column", models / "column")
    with triton(models, folder) as found:
        yield found


def tensors(answer: Any) -> dict[str, np.ndarray]:
    return {
        each["name"]: np.array(each["data"], "float32").reshape(each["shape"])
        for each in answer["outputs"]
    }


def request(x: np.ndarray, seeds: np.ndarray) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "shape": list(each.shape), "datatype": kind, "data": each.tolist()}
            for name, each, kind in (("image", x, "FP32"), ("seed", seeds, "INT64"))
        ]
    }


@pytest.mark.parametrize("name", ["digits", "column"])
def test_two_bursts_get_the_answers_of_mc_predict_in_whatever_batches(name, address, served):
    def ask(row):
        seeds = served.seeds[row : row + 1, None]
        return tensors(posted(f"{address}/models/{name}/infer", request(served.x[[row]], seeds)))

    model_servers.two_bursts(ask, served.wanted)
    (stats,) = get(f"{address}/models/{name}/stats")["model_stats"]
    sizes = {each["batch_size"]: each["compute_infer"]["count"] for each in stats["batch_stats"]}
    print(f"batches by their number of rows: {sizes}")
    assert stats["inference_count"] == 2 * len(served.x)
    assert stats["execution_count"] < stats["inference_count"]
    assert max(sizes) > 1


def test_the_sample_request_gets_the_sample_answer(address, served, tmp_path):
    kde.package(served.path, tmp_path / "models")
    model = tmp_path / "models" / "digits"
    sent, wanted = (
        json.loads((model / f"sample_{side}.json").read_text()) for side in ("request", "answer")
    )
    got = tensors(posted(f"{address}/models/digits/infer", sent))
    assert list(got) == [each["name"] for each in wanted["outputs"]]
    for name, x in tensors(wanted).items():
        np.testing.assert_allclose(got[name], x, rtol=1e-6, atol=model_servers.ATOL)


def test_the_request_on_the_page_is_answered(address, served):
    page = (model_servers.ROOT / "docs" / "servers.md").read_text()
    (code,) = re.findall(r"<!-- test: triton -->\n```python\n(.*?)```", page, re.S)
    names: dict[str, Any] = {}
    exec(code, names)
    got = tensors(posted(f"{address}/models/digits/infer", names["body"]))["digit_mean"]
    x = np.zeros((2, 8, 8, 1), "float32")
    wanted = kd.mc_predict(served.model, x, samples=32, seed=7).mean
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=model_servers.ATOL)


def test_the_core_names_classes_by_the_labels(address, served):
    sent = request(served.x[:2], served.seeds[:2, None])
    asked = {"name": "digit_mean", "parameters": {"classification": 1}}
    (found,) = posted(f"{address}/models/digits/infer", {**sent, "outputs": [asked]})["outputs"]
    best = np.argmax(served.wanted["digit_mean"][:2], axis=-1)
    labels = ["cat", "dog", "bird"]
    assert [each.split(":")[1:] for each in found["data"]] == [[str(n), labels[n]] for n in best]


def test_requests_whose_rows_share_masks_are_run_one_by_one(address, served):
    def ask(row):
        sent = request(served.x[[row]], served.seeds[[row]])
        return tensors(posted(f"{address}/models/alone/infer", sent))

    one = model_servers.burst(ask, range(32))
    other = model_servers.burst(ask, range(31, -1, -1))
    np.testing.assert_allclose(one["digit_mean"], other["digit_mean"], rtol=1e-6, atol=1e-7)
    (stats,) = get(f"{address}/models/alone/stats")["model_stats"]
    assert stats["execution_count"] == stats["inference_count"] == 64


def test_the_core_refuses_other_shapes_with_a_sentence(address, served):
    status, answer = post(f"{address}/models/digits/infer", request(served.x[:2], served.seeds[:2]))
    assert status == 400
    assert "unexpected shape for input 'seed'" in answer["error"]
