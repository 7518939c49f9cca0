"""Tests of ONNX files: names, metadata, opsets; the file of a model that never had dropout."""

import json

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from packaging.version import Version

import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.tf2onnx.adapter import MAXIMUM_OPSET
from served import Rolls, Subclassed, data, dense_model, graph_model, image_model, inputs_of

TARGETS = {kde.export_onnx: "m.onnx", kde.export_saved_model: "m"}


def dims(value):
    return [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("make", [dense_model, image_model, graph_model])
def test_the_file_is_the_model(make, tmp_path):
    model = make()
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    x = inputs_of(model, 5)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    names = [each.name for each in report.inputs]
    got = session.run(None, dict(zip(names, keras.tree.flatten(x), strict=True)))
    wanted = keras.tree.flatten(model.predict(x, verbose=0))
    for one, two in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_names_of_inputs_outputs_and_dimensions(tmp_path):
    x = keras.Input((None, 4), name="series")
    outputs = {"all": keras.layers.Dense(2)(x), "sum": keras.ops.sum(x, axis=1)}
    report = kde.export_onnx(keras.Model(x, outputs, name="pair"), tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert graph.name == "pair"
    assert [(each.name, dims(each)) for each in graph.input] == [
        ("series", ["batch", "series_1", 4])
    ]
    assert [(each.name, dims(each)) for each in graph.output] == [
        ("all", ["batch", "all_1", 2]),
        ("sum", ["batch", 4]),
    ]
    assert [each.name for each in report.outputs] == ["all", "sum"]


def test_an_input_without_a_name_is_called_as_its_layer(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    assert report.inputs[0].name == model._layers[0].name
    assert report.inputs[0].name.startswith("input_layer")


def test_an_input_of_the_name_of_an_inner_tensor(tmp_path):
    x = keras.Input((4,), name="Identity")
    kde.export_onnx(
        keras.Model(x, keras.layers.Dense(2, name="Identity_1")(x)), tmp_path / "m.onnx"
    )


def test_an_input_that_is_not_used_stays(tmp_path):
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="unused")
    if Version(keras.__version__) < Version("3.11"):
        with pytest.raises(ValueError, match="not connected"):
            keras.Model([x, y], x * 2.0)
        return
    kde.export_onnx(keras.Model([x, y], x * 2.0), tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert [each.name for each in graph.input] == ["x", "unused"]


def test_an_output_that_is_an_input_or_a_constant(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, {"same": x, "twice": x * 2.0, "again": x * 2.0})
    assert kde.export_onnx(model, tmp_path / "m.onnx").parity.max_abs_error == 0.0


def test_the_metadata_says_what_was_stripped(tmp_path):
    kde.export_onnx(dense_model(), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    said = {each.key: json.loads(each.value) for each in model.metadata_props}
    row = {"path": "drop", "layer": "ScheduledDropout", "rate": 0.25}
    assert said["keras_dropouts.stripped"] == [row]
    assert said["keras_dropouts.versions"]["keras"] == keras.__version__
    assert model.producer_name == "keras-dropouts"


@pytest.mark.parametrize("opset", range(13, MAXIMUM_OPSET + 1))
def test_opsets(opset, tmp_path):
    kde.export_onnx(image_model(), tmp_path / "m.onnx", opset=opset)
    assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == opset


def test_twin(tmp_path):
    """The stripped model's file has the nodes of one built without dropout, and so has its own."""
    types = []
    with_dropout = image_model()
    for i, model in enumerate((image_model(False), kde.strip_dropout(with_dropout), with_dropout)):
        kde.export_onnx(model, tmp_path / f"{i}.onnx")
        types.append([node.op_type for node in onnx.load(tmp_path / f"{i}.onnx").graph.node])
    assert types[0] == types[1] == types[2]
    assert "Conv" in types[0]


def test_a_subclassed_model_that_always_drops(tmp_path):
    model = Subclassed()
    model(data(2, 3))
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    assert [row.rate for row in report.stripped] == [0.5, 0.5]


def test_the_model_is_not_changed(tmp_path):
    model = graph_model()
    before = [w.copy() for w in model.get_weights()]
    nodes = [len(each._inbound_nodes) for each in model.operations]
    kde.export_onnx(model, tmp_path / "m.onnx")
    assert [len(each._inbound_nodes) for each in model.operations] == nodes
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_noise_that_cannot_be_switched_off_is_an_error_that_names_it(tmp_path):
    model = keras.Sequential([keras.Input((4,)), Rolls(name="rolls")])
    with pytest.raises(kde.ExportError, match=r"StatelessRandom\w+ '.*rolls.*'"):
        kde.export_onnx(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


class Spells(keras.layers.Layer):
    """Uses an operation that ONNX has no counterpart for."""

    def call(self, inputs):
        import tensorflow as tf

        return tf.math.betainc(1.0, 2.0, tf.sigmoid(inputs))


def test_an_operation_that_onnx_lacks_is_an_error_that_names_it(tmp_path, capfd):
    model = keras.Sequential([keras.Input((4,)), Spells(name="spells")])
    with pytest.raises(kde.ExportError, match=r"Betainc in '.*spells.*'"):
        kde.export_onnx(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
    assert "tf2onnx" not in capfd.readouterr().err


@pytest.mark.parametrize("opset", [12, MAXIMUM_OPSET + 1, True, "18", None, 18.0, float("nan")])
def test_bad_opsets_are_refused(opset, tmp_path):
    with pytest.raises(ValueError, match=r"argument `opset`\. Expected an integer"):
        kde.export_onnx(dense_model(), tmp_path / "m.onnx", opset=opset)


@pytest.mark.parametrize("export", [kde.export_onnx, kde.export_saved_model])
@pytest.mark.parametrize("name", ["atol", "rtol"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "0", True])
def test_bad_tolerances_are_refused(export, name, value, tmp_path):
    with pytest.raises(ValueError, match=f"Invalid value for argument `{name}`"):
        export(dense_model(), tmp_path / TARGETS[export], **{name: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", [kde.export_onnx, kde.export_saved_model])
def test_bad_models_are_refused(export, tmp_path):
    with pytest.raises(ValueError, match=r"Expected a keras\.Model"):
        export("model.keras", tmp_path / TARGETS[export])
    with pytest.raises(ValueError, match="Expected a built model"):
        export(keras.Sequential([keras.layers.Dense(2)]), tmp_path / TARGETS[export])
    assert list(tmp_path.iterdir()) == []
