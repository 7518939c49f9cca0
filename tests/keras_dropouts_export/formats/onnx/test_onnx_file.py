"""Tests that a file written weight by weight is what onnx writes, and is read without weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from keras_dropouts_export.formats.onnx import onnx_file

WEIGHTS = {
    "large": np.arange(80_000, dtype="float32").reshape(200, 400),
    "turned": np.arange(6, dtype="float64").reshape(2, 3).T,
    "half": np.ones((3,), "float16"),
    "brain": np.ones((2, 2), ml_dtypes.bfloat16),
    "flags": np.array([True, False]),
    "long": np.array(-3, "int64"),
    "none": np.zeros((0, 4), "float32"),
}


def model_of(*weights: str) -> onnx.ModelProto:
    """Return a model that multiplies by what is called large, whose other weights are unused."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "large"], ["product"]),
            helper.make_node("Add", ["product", "small"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 200])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 400])],
        [numpy_helper.from_array(np.full(400, 7, "float32"), "small")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    model.metadata_props.add(key="a", value="b" * 300)
    model.graph.initializer.extend(numpy_helper.from_array(WEIGHTS[x], x) for x in weights)
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sources = {name: lambda array=array: array for name, array in WEIGHTS.items()}
    onnx_file.write(model_of(), tmp_path / "m.onnx", sources)
    return tmp_path / "m.onnx"


def test_the_file_is_the_one_that_onnx_writes(path: Path) -> None:
    assert onnx.load(path) == model_of(*WEIGHTS)
    assert onnx_file.read(path) == model_of(*WEIGHTS)
    assert path.stat().st_size == model_of(*WEIGHTS).ByteSize()
    onnx.checker.check_model(str(path))


def test_onnxruntime_reads_the_weights(path: Path) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(3, 200)).astype("float32")
    (y,) = session.run(None, {"x": x})
    np.testing.assert_allclose(y, x @ WEIGHTS["large"] + 7, rtol=1e-5)


def test_large_weights_are_passed_over(path: Path) -> None:
    light = onnx_file.read(path, weights=False)
    assert light.ByteSize() < 5_000
    whole = onnx.load(path)
    for tensor in whole.graph.initializer:
        if tensor.name == "large":
            tensor.ClearField("raw_data")
            tensor.raw_data = b""
    assert light == whole


def parsed(read: object) -> onnx.ModelProto | None:
    try:
        return read()  # type: ignore[operator]
    except (DecodeError, ValueError):
        return None


def test_a_file_that_is_cut_off_is_refused_where_onnx_refuses_it(
    path: Path, tmp_path: Path
) -> None:
    data, cut = path.read_bytes(), tmp_path / "cut.onnx"
    places = [*range(0, 700, 3), *range(len(data) - 400, len(data))]
    refused = 0
    for end in places:
        cut.write_bytes(data[:end])
        ours = parsed(lambda: onnx_file.read(cut, weights=False))
        theirs = parsed(lambda: onnx_file.read(cut))
        assert (ours is None) == (theirs is None), end
        refused += ours is None
    assert refused > 500


def test_a_file_with_a_changed_byte_is_refused_where_onnx_refuses_it(
    path: Path, tmp_path: Path
) -> None:
    data, changed = bytearray(path.read_bytes()), tmp_path / "changed.onnx"
    chance = np.random.default_rng(0)
    structure = [*range(500), *range(len(data) - 300, len(data))]  # around the large numbers
    refused = 0
    for place in chance.choice(structure, 300):
        before = data[place]
        data[place] = int(chance.integers(256))
        changed.write_bytes(bytes(data))
        data[place] = before
        if parsed(lambda: onnx_file.read(changed, weights=False)) is None:
            refused += 1
            assert parsed(lambda: onnx_file.read(changed)) is None, place
    assert refused > 30


_EXPORTS = """
import resource, sys
import keras
import keras_dropouts_export as kde

wide = [keras.layers.Dense(4096, use_bias=False) for _ in range(8)]
model = keras.Sequential([keras.Input((4096,)), *wide, keras.layers.Dropout(0.5)])
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = memory()
kde.export_onnx(model, sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print((peak - before) / (4 * model.count_params()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from Linux")
def test_an_export_takes_no_more_than_the_weights_twice_beside_the_model(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _EXPORTS, str(tmp_path / "m.onnx")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert 0.5 < float(run.stdout.split()[-1]) < 2.0
