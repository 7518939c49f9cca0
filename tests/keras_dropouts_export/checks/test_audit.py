"""Tests that the audit finds everything random, writing or unknown in any part of a graph."""

import json

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper

import keras_dropouts_export as kde
from keras_dropouts_export.checks.audit import audit_graph
from served import dense_model, image_model


def onnx_file(path, nodes, functions=(), domains=("",)):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y]),
        functions=list(functions),
        opset_imports=[helper.make_opsetid(domain, 18) for domain in domains],
    )
    onnx.save(model, path)
    return path


def test_a_clean_file_is_clean(tmp_path):
    kde.export_onnx(image_model(), tmp_path / "m.onnx")
    report = kde.audit(tmp_path / "m.onnx")
    assert report.ok
    assert (report.format, report.random_ops, report.unknown_ops) == ("onnx", (), ())
    assert json.loads(report.to_json())["ok"] is True


@pytest.mark.parametrize("op", ["RandomUniformLike", "RandomNormalLike", "Bernoulli", "Dropout"])
def test_random_nodes_are_found(op, tmp_path):
    path = onnx_file(tmp_path / "m.onnx", [helper.make_node(op, ["x"], ["y"], name="culprit")])
    report = kde.audit(path)
    assert [(each.op, each.name) for each in report.random_ops] == [(op, "culprit")]
    assert f"{op} 'culprit' in the main graph" in str(report)
    assert kde.audit(path, allow=[op]).ok


def test_a_random_node_in_a_branch_is_found(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("RandomUniformLike", ["x"], ["b"], name="hidden")],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [2])],
    )
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=condition),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch, name="if"),
    ]
    report = kde.audit(onnx_file(tmp_path / "m.onnx", nodes))
    assert [each.where for each in report.random_ops] == [
        "else_branch of If 'if'",
        "then_branch of If 'if'",
    ]


def test_a_random_node_in_a_local_function_is_found(tmp_path):
    function = helper.make_function(
        "own",
        "f",
        ["a"],
        ["b"],
        [helper.make_node("Bernoulli", ["a"], ["b"])],
        [helper.make_opsetid("", 18)],
    )
    node = helper.make_node("f", ["x"], ["y"], domain="own")
    report = kde.audit(onnx_file(tmp_path / "m.onnx", [node], [function], ["", "own"]))
    assert [each.where for each in report.random_ops] == ["function f"]
    assert report.unknown_ops == ()


def test_foreign_and_future_operations_are_unknown(tmp_path):
    for op, domain in (("Betainc", ""), ("Magic", "their.domain"), ("Gelu", "")):  # Gelu: opset 20
        node = helper.make_node(op, ["x"], ["y"], domain=domain)
        domains = ["", domain] if domain else [""]
        report = kde.audit(onnx_file(tmp_path / "m.onnx", [node], (), domains))
        assert [each.op for each in report.unknown_ops] == [op]


def saved(path, layer, training=True):
    module = tf.Module()
    module.seed = layer.seed_generator.state.value
    spec = tf.TensorSpec([None, 4], name="x")
    module.f = tf.function(lambda x: {"y": layer(x, training=training)}, input_signature=[spec])
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.f})
    return path


def test_a_saved_model_with_dropout_is_not_clean(tmp_path):
    report = kde.audit(saved(tmp_path / "m", keras.layers.Dropout(0.5)))
    ops = {each.op for each in report.random_ops}
    assert any("Stateless" in op for op in ops)
    assert "Variable" in ops  # the seed
    assert report.state_writes
    assert not report.ok


def test_a_clean_saved_model_is_clean(tmp_path):
    kde.export_saved_model(dense_model(), tmp_path / "m")
    assert kde.audit(tmp_path / "m").ok


def test_randomness_in_a_loop_is_found(tmp_path):
    def body(x):
        step = lambda i, y: (i + 1, y + tf.random.normal(tf.shape(y)))  # noqa: E731
        return {"y": tf.while_loop(lambda i, _: i < 3, step, (0, x))[1]}

    module = tf.Module()
    module.f = tf.function(body, input_signature=[tf.TensorSpec([2], name="x")])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": module.f})
    assert [each.op for each in kde.audit(tmp_path / "m").random_ops] == ["RandomStandardNormal"]
    graph = module.f.get_concrete_function().graph
    assert [each.op for each in audit_graph(graph, "f").random_ops] == ["RandomStandardNormal"]


def test_bad_paths_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"argument `path`\. Expected a path"):
        kde.audit(3)
    with pytest.raises(
        FileNotFoundError, match=r"Expected an \.onnx file or a SavedModel folder.* that exists"
    ):
        kde.audit(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match=r"Expected an \.onnx file or a SavedModel folder"):
        kde.audit(tmp_path)


def test_a_truncated_file_is_refused(tmp_path):
    kde.export_onnx(image_model(), tmp_path / "m.onnx")
    whole = (tmp_path / "m.onnx").read_bytes()
    for size in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        (tmp_path / "m.onnx").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="Expected a whole ONNX file"):
            kde.audit(tmp_path / "m.onnx")


def test_a_truncated_saved_model_is_refused(tmp_path):
    kde.export_saved_model(dense_model(), tmp_path / "m")
    whole = (tmp_path / "m" / "saved_model.pb").read_bytes()
    for size in (0, len(whole) // 2):
        (tmp_path / "m" / "saved_model.pb").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="Expected a whole SavedModel"):
            kde.audit(tmp_path / "m")


def numpy_function(x):
    return tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), x.shape)


def file_read(x):
    return x * tf.cast(tf.strings.length(tf.io.read_file("factor.txt")), x.dtype)


def file_written(x):
    with tf.control_dependencies([tf.io.write_file("seen.txt", "x")]):
        return tf.identity(x)


def printed(x):
    with tf.control_dependencies([tf.print("seen", x)]):
        return tf.identity(x)


def files_counted(x):
    return x + tf.cast(tf.size(tf.io.matching_files("*.txt")), x.dtype)


def clock(x):
    return x + tf.cast(tf.timestamp() * 0.0, x.dtype)


def weights_saved(x):
    save = tf.raw_ops.SaveV2(
        prefix="kept", tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
    )
    with tf.control_dependencies([save]):
        return tf.identity(x)


def dataset(x):
    factors = tf.data.Dataset.range(3).map(lambda i: tf.cast(i, tf.float32))
    return x * factors.reduce(0.0, lambda total, each: total + each)


HOST = {
    numpy_function: "PyFunc",
    file_read: "ReadFile",
    file_written: "WriteFile",
    printed: "PrintV2",
    files_counted: "MatchingFiles",
    clock: "Timestamp",
    weights_saved: "SaveV2",
    dataset: "Dataset",
}


@pytest.mark.parametrize("function", HOST, ids=lambda function: function.__name__)
@pytest.mark.parametrize("how", ["function", "layer"])
def test_what_reaches_outside_the_artifact_is_no_export(function, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "factor.txt").write_text("abc")

    class Reaching(keras.layers.Layer):
        def call(self, x):
            return tf.function(function)(x) if how == "function" else function(x)

        def compute_output_shape(self, shape):
            return shape

    model = keras.Sequential([keras.Input((4,)), Reaching(name="reaching")])
    message = rf"(?s)reach outside: [1-9].*{HOST[function]}\w* '.*reaching"
    for export, name in ((kde.export_saved_model, "m"), (kde.export_onnx, "m.onnx")):
        with pytest.raises(kde.ExportError, match=message):
            export(model, tmp_path / name)
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("function", HOST, ids=lambda function: function.__name__)
def test_what_reaches_outside_is_found_in_a_folder_that_exists(function, tmp_path):
    module = tf.Module()
    module.serve = tf.function(function, input_signature=[tf.TensorSpec([None, 4])])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.serve)
    found = kde.audit(tmp_path / "m")
    assert not found.ok
    assert any(HOST[function] in each.op for each in found.host_ops)
    assert json.loads(found.to_json())["host_ops"]
