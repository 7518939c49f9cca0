"""verify runs artifacts in a process of its own: loops, kills and memory end in an error."""

import os
import signal
import threading
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import keras_dropouts_export as kde
from keras_dropouts_export.checks import artifact_process
from keras_dropouts_export.formats.onnx.onnx_writer import sampling_in
from served import dense_model


def onnx_file(path, nodes, initializers=()):
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in initializers]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 4])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 2])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, str(path))


def endless(path):
    """Write an ONNX file whose loop goes on for ever."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Neg", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["", "always", "features"], ["score"], body=body)
    onnx_file(path, [loop], [("always", np.array(True))])


def huge(path):
    """Write an ONNX file that fills 64 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=0),
        helper.make_node("Add", ["features", "sum"], ["score"]),
    ]
    onnx_file(path, nodes, [("size", np.array([2**34], np.int64))])


def test_a_loop_that_never_ends_is_stopped(tmp_path):
    endless(tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"gives its outputs within 0\.5 seconds.*`time_limit`"):
        kde.verify(dense_model(), tmp_path / "m.onnx", time_limit=0.5)


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan"), "10", True])
def test_limits_that_are_none(bad, tmp_path):
    with pytest.raises(ValueError, match="argument `time_limit`"):
        kde.verify(dense_model(), tmp_path / "m.onnx", time_limit=bad)


def test_a_file_that_fills_the_memory_is_an_error(tmp_path):
    huge(tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"argument `path`.*m\.onnx"):
        kde.verify(dense_model(), tmp_path / "m.onnx")


def test_a_process_that_is_killed_is_an_error_and_the_next_one_works(tmp_path):
    model = dense_model()
    kde.export_onnx(model, tmp_path / "good.onnx")
    assert kde.verify(model, tmp_path / "good.onnx").ok
    endless(tmp_path / "m.onnx")
    process = artifact_process._running[0]

    def kill():
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(ValueError, match="the process that loaded it ended at once"):
        kde.verify(model, tmp_path / "m.onnx", time_limit=60.0)
    thread.join()
    assert kde.verify(model, tmp_path / "good.onnx").ok


def test_it_gives_what_this_process_gives(tmp_path):
    model = dense_model()
    kde.export_onnx(model, tmp_path / "m.onnx", samples=3)
    kde.export_saved_model(model, tmp_path / "m", samples=3)
    for name in ("m.onnx", "m"):
        apart = kde.verify(model, tmp_path / name)
        assert apart == kde.verify(model, tmp_path / name, time_limit=None)
        assert apart.ok


@pytest.mark.parametrize("name", ["m.onnx", "m"])
def test_fifos_are_no_artifacts(name, tmp_path):
    os.mkfifo(tmp_path / name)
    for function in (kde.audit, lambda path: kde.verify(dense_model(), path)):
        with pytest.raises(ValueError, match=r"argument `path`\. Expected an \.onnx file"):
            function(tmp_path / name)


@pytest.mark.parametrize(
    "key",
    [
        "keras_dropouts.monte_carlo",
        "keras_dropouts.monte_carlo.predict",
        "keras_dropouts.monte_carlo.mc_predict",
    ],
)
def test_the_metadata_keys_of_all_versions_are_read(key):
    model = onnx.ModelProto()
    assert sampling_in(model) is None
    model.metadata_props.add(key=key, value='{"samples": 3}')
    assert sampling_in(model) == '{"samples": 3}'


def test_the_metadata_key_that_is_written(tmp_path):
    kde.export_onnx(dense_model(), tmp_path / "m.onnx", samples=3)
    keys = {each.key for each in onnx.load(str(tmp_path / "m.onnx")).metadata_props}
    assert "keras_dropouts.monte_carlo" in keys
