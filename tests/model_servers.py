"""Starts model servers on the loopback, asks them in bursts, and ends them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
SERVERS = ROOT / ".venv-servers"  # `make test-servers` makes both
MLFLOW = ROOT / ".venv-mlflow"
_START = 180.0  # seconds that a server may take to start
_ANSWER = 120.0  # seconds that a server may take to answer

# 64 requests at once meet in batches of sizes that no one chooses, and matrix products of float32
# round differently in each: by about one unit in the last digit of the largest number that is
# added. Here these numbers are not above 1, whose last digit is worth 2**-23. One wrong mask moves
# an answer by 1e-2.
RTOL, ATOL = 1e-6, 2.0**-22


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def site_packages(environment: Path) -> Path:
    """Return the folder of the packages of a virtual environment."""
    (found,) = environment.glob("lib/python*/site-packages")
    return found


@contextmanager
def started(
    command: Sequence[object], ready: str, log: Path, cwd: Path, **environment: str
) -> Iterator[None]:
    """Run a server until the end of the block; `ready` is an address that it answers when it can.

    No variable of this run leads it to the packages of this run.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**inherited, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it may have children, which end with it
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(30)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        assert process.poll() is None, f"The server ended:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(ready, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"The server is not ready after {_START} s:\n{log.read_text()}")


def get(address: str) -> Any:
    """Return what an address answers, which is JSON."""
    with urllib.request.urlopen(address, timeout=_ANSWER) as answer:
        return json.load(answer)


def post(address: str, body: object) -> tuple[int, Any]:
    """Send JSON, and return the status and the JSON that comes back."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def posted(address: str, body: object) -> Any:
    """Send JSON to a server that takes it, and return the JSON that comes back."""
    status, answer = post(address, body)
    assert status == 200, answer
    return answer


def burst(
    ask: Callable[[int], dict[str, np.ndarray]], order: Sequence[int]
) -> dict[str, np.ndarray]:
    """Ask for each of `order` at the same time, and return the answers in the order of numbers."""
    together = threading.Barrier(len(order))

    def asked(number: int) -> tuple[int, dict[str, np.ndarray]]:
        together.wait(60)
        return number, ask(number)

    with ThreadPoolExecutor(len(order)) as pool:
        answers = dict(pool.map(asked, order))
    return {
        name: np.concatenate([answers[number][name] for number in sorted(answers)])
        for name in answers[order[0]]
    }


def two_bursts(ask: Callable[[int], dict[str, np.ndarray]], wanted: dict[str, np.ndarray]) -> None:
    """Ask for every row of `wanted` twice, in another order, and compare both with `wanted`."""
    rows = len(next(iter(wanted.values())))
    one = burst(ask, range(rows))
    other = burst(ask, np.random.default_rng(5).permutation(rows).tolist())
    for name, x in wanted.items():
        np.testing.assert_allclose(one[name], x, rtol=RTOL, atol=ATOL, err_msg=name)
        np.testing.assert_allclose(other[name], x, rtol=RTOL, atol=ATOL, err_msg=name)
        np.testing.assert_allclose(one[name], other[name], rtol=RTOL, atol=ATOL, err_msg=name)
        errors = [float(np.max(np.abs(each[name] - x) / np.abs(x))) for each in (one, other)]
        print(f"{name}: largest relative error {errors[0]:.2g}, {errors[1]:.2g}")
