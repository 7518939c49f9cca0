"""Tests of examples/serving/litserve_app.py: equal answers in whatever batches LitServe makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import model_servers
from model_servers import ROOT, SERVERS, post, posted

pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "serving"


@pytest.fixture(scope="module")
def address(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = model_servers.free_port(), tmp_path_factory.mktemp("litserve") / "app.log"
    command = [SERVERS / "bin" / "python", "litserve_app.py"]
    environment = {"MODEL": str(served.path), "PORT": str(port)}
    address = f"http://127.0.0.1:{port}"
    with model_servers.started(command, f"{address}/health", log, EXAMPLE, **environment):
        yield f"{address}/predict"


def test_two_bursts_get_the_answers_of_mc_predict_in_whatever_batches(address, served):
    sizes = []

    def ask(row):
        sent = {"inputs": {"image": served.x[row].tolist()}, "seed": int(served.seeds[row])}
        answer = posted(address, sent)
        sizes.append(answer["batch_rows"])
        assert answer["seed"] == sent["seed"]
        return {name: np.array([x], "float32") for name, x in answer["outputs"].items()}

    model_servers.two_bursts(ask, served.wanted)
    counts = {size: sizes.count(size) // size for size in sorted(set(sizes))}
    print(f"batches by their number of rows: {counts}")
    assert 1 < max(sizes) <= 64


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": {"image": [[1.0]]}}, "must be of shape [rows, 8, 8, 1]"),
        ({"inputs": {"picture": 1}}, "`inputs` must have the names ['image']"),
        ({"image": 1}, "Expected {"),
        ({"inputs": {"image": np.zeros((8, 8, 1)).tolist()}, "seed": 1.5}, "must be an integer"),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(body, message, address):
    status, answer = post(address, body)
    assert (status, message in answer["detail"]) == (422, True), answer
