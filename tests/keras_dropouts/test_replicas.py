"""Tests of training on several devices, in several processes, and on one backend after another."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_dropouts  # noqa: F401 - a saved model needs it

PROGRAMS = Path(__file__).parents[1] / "replicas"


def _start(
    program: str, backend: str, *arguments: object, **environment: str
) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(PROGRAMS),
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS / program), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> None:
    try:
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()  # where it has not ended, its partner has failed
    assert process.returncode == 0, output[-4000:]
    assert output.strip().endswith("ok")


@pytest.mark.slow
def test_mirrored_over_two_logical_devices(tmp_path: Path) -> None:
    _finish(_start("mirrored.py", "tensorflow", tmp_path / "model.keras"))


@pytest.mark.slow
def test_data_parallel_over_two_host_devices(tmp_path: Path) -> None:
    flags = "--xla_force_host_platform_device_count=2"
    _finish(_start("data_parallel.py", "jax", tmp_path / "model.keras", XLA_FLAGS=flags))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    workers = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(
            _start(
                "multi_worker.py", "tensorflow", tmp_path / "model", TF_CONFIG=json.dumps(config)
            )
        )
    try:
        for process in processes:
            _finish(process)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    first, second = (np.load(tmp_path / f"model.{index}.npz") for index in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    model = keras.saving.load_model(tmp_path / "model.0.keras")
    assert model.get_layer("ramp").step == 4
    np.testing.assert_allclose(model.get_layer("ramp").rate, 0.4, rtol=1e-6)


@pytest.mark.slow
def test_a_model_goes_from_backend_to_backend(tmp_path: Path) -> None:
    backends = ("tensorflow", "jax", "torch", "tensorflow")
    for turn, backend in enumerate(backends):
        source, target = (tmp_path / f"model.{number}.keras" for number in (turn, turn + 1))
        _finish(_start("hand_over.py", backend, source, target, 4 * turn))
