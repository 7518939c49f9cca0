"""Sizes that go through int32 in a converted file are int64 from end to end."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from keras_dropouts_export.formats.onnx.long_sizes import keep_sizes_long


def constant(name: str, values: object, dtype: str = "int32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype), name)


def detour() -> list[onnx.NodeProto]:
    """Return what makes the shape (2 * rows, 3) of x in int32, casts it and reshapes y to it."""
    return [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["short"], to=TensorProto.INT32),
        helper.make_node("Slice", ["short", "zero", "one"], ["rows"]),
        helper.make_node("Mul", ["rows", "two"], ["twice"]),
        helper.make_node("Concat", ["twice", "three"], ["sizes"], axis=0),
        helper.make_node("Cast", ["sizes"], ["long"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["y", "long"], ["z"]),
    ]


CONSTANTS = [
    constant("zero", [0], "int64"),
    constant("one", [1], "int64"),
    constant("two", [2]),
    constant("three", [3]),
]


def model(nodes: list[onnx.NodeProto], outputs: tuple[str, ...] = ("z",)) -> onnx.ModelProto:
    shape = ["rows", "columns"] if nodes[-1].op_type == "Reshape" else ["numbers"]
    made = {"z": (TensorProto.FLOAT, shape), "short": (TensorProto.INT32, [2])}
    graph = helper.make_graph(
        nodes,
        "sizes",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["numbers"]),
        ],
        [helper.make_tensor_value_info(name, *made[name]) for name in outputs],
        CONSTANTS,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def kinds(file: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in file.graph.node]


def run(file: onnx.ModelProto) -> list[np.ndarray]:
    onnx.checker.check_model(file, full_check=True)
    session = onnxruntime.InferenceSession(file.SerializeToString())
    feeds = {"x": np.zeros((5, 4), "float32"), "y": np.arange(30, dtype="float32")}
    return session.run(None, feeds)


def test_a_detour_through_int32_goes() -> None:
    file = model(detour())
    before = run(file)
    keep_sizes_long(file)
    np.testing.assert_array_equal(run(file)[0], before[0])
    assert before[0].shape == (10, 3)
    assert kinds(file) == ["Shape", "Slice", "Mul", "Concat", "Identity", "Reshape"]


def test_what_something_else_takes_stays() -> None:
    file = model(detour(), outputs=("z", "short"))
    before = run(file)
    keep_sizes_long(file)
    for got, wanted in zip(run(file), before, strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype
    assert "Cast" in kinds(file)


def test_a_cast_of_what_is_no_size_stays() -> None:
    nodes = [
        helper.make_node("Cast", ["y"], ["short"], to=TensorProto.INT32),
        helper.make_node("Cast", ["short"], ["long"], to=TensorProto.INT64),
        helper.make_node("Cast", ["long"], ["z"], to=TensorProto.FLOAT),
    ]
    file = model(nodes)
    before = run(file)
    keep_sizes_long(file)
    assert kinds(file) == ["Cast", "Cast", "Cast"]
    np.testing.assert_array_equal(run(file)[0], before[0])
