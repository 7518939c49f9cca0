"""Tests of models in OpenVINO, and of the errors for what it cannot hold."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dropouts_export as kde
import served
from keras_dropouts_export.formats.openvino.openvino_runtime import openvino
from ordinary_models import BATCHES, MODELS, assert_close, inputs_of

# By default OpenVINO computes in bfloat16 where the processor has instructions for it.
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.mark.parametrize("name", MODELS)
def test_the_file_predicts_what_the_model_predicts(name, tmp_path):
    model = MODELS[name]()
    report = kde.export_openvino(model, tmp_path / "m.xml")
    run = openvino().Core().compile_model(str(tmp_path / "m.xml"), "CPU", FLOAT32)
    names = [each.name for each in report.outputs]
    assert all(name in port.get_names() for name, port in zip(names, run.outputs, strict=True))
    for batch in BATCHES:
        given, by_name = inputs_of(model, batch)
        assert len(run.inputs) == len(by_name)
        values = run(by_name)
        assert_close(model, given, {name: values[name] for name in names}, names)


def test_every_name_stays(tmp_path):
    x = keras.Input((4,), name="a b-c")
    model = keras.Model(x, keras.layers.Dense(2, name="d-e.f")(x))
    report = kde.export_openvino(model, tmp_path / "m.xml")
    assert [each.name for each in (*report.inputs, *report.outputs)] == ["a b-c", "d-e.f"]
    run = openvino().Core().compile_model(str(tmp_path / "m.xml"), "CPU", FLOAT32)
    values = run({"a b-c": served.data(3, 4)})
    assert_close(model, served.data(3, 4), {"d-e.f": values["d-e.f"]}, ["d-e.f"])


def test_nothing_of_the_model_changes_and_nothing_is_said(tmp_path, capfd):
    model = MODELS["mixed bfloat16"]()
    x, _ = inputs_of(model, 3)
    before = keras.ops.convert_to_numpy(model(x))
    capfd.readouterr()
    kde.export_openvino(model, tmp_path / "m.xml")
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), before)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.bin", "m.xml"]


def test_nothing_is_sent(tmp_path):
    kde.export_openvino(served.dense_model(), tmp_path / "m.xml")
    assert "openvino.tools.ovc.telemetry_stub" in sys.modules
    assert "openvino_telemetry" not in sys.modules


def test_the_report_and_the_file_say_what_was_stripped(tmp_path):
    report = kde.export_openvino(served.dense_model(), tmp_path / "m.xml")
    assert report.format == "openvino"
    assert str(report).splitlines()[0].endswith(f"(OpenVINO IR, {report.bytes:,} bytes)")
    assert report.bytes == sum(each.stat().st_size for each in tmp_path.iterdir())
    assert {row.runtime for row in report.parity.rows} == {"OpenVINO"}
    model = openvino().Core().read_model(str(tmp_path / "m.xml"))
    assert '"path": "drop"' in model.get_rt_info(["keras_dropouts", "stripped"]).astype(str)
    assert kde.audit(tmp_path / "m.xml").ok


def test_another_model_is_not_the_file(tmp_path):
    kde.export_openvino(served.dense_model(), tmp_path / "m.xml")
    assert not kde.verify(served.dense_model(), tmp_path / "m.xml").ok
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"inputs \['x'\] and outputs \['dense.*It has inputs \["):
        kde.verify(model, tmp_path / "m.xml")


class Decomposed(keras.layers.Layer):
    """Singular values, which OpenVINO has no operation for."""

    def call(self, inputs):
        return tf.linalg.svd(inputs, compute_uv=False)

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


def _decomposed() -> keras.Model:
    x = keras.Input((4, 4))
    return keras.Model(x, Decomposed(name="the_layer")(x))


def test_what_openvino_cannot_do_is_named_with_its_layer(tmp_path):
    with pytest.raises(kde.ExportError, match=r"no counterpart for: Svd in '.*the_layer.*'\. Exp"):
        kde.export_openvino(_decomposed(), tmp_path / "m.xml")
    assert not list(tmp_path.iterdir())


def test_bad_arguments(tmp_path):
    model = served.dense_model()
    with pytest.raises(ValueError, match=r"ends in \.xml\. Received: path='.*m\.ir'"):
        kde.export_openvino(model, tmp_path / "m.ir")
    with pytest.raises(ValueError, match=r"`samples`.*signed ones of 32 bits.*`export_onnx`"):
        kde.export_openvino(model, tmp_path / "m.xml", samples=10)
    strings = keras.Input((1,), dtype="string", name="word")
    looked_up = keras.layers.StringLookup(vocabulary=["a", "b"])(strings)
    with pytest.raises(kde.ExportError, match=r"takes strings \(word\)"):
        kde.export_openvino(keras.Model(strings, looked_up), tmp_path / "m.xml")
    assert not list(tmp_path.iterdir())


def _contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_files_that_are_there_stay_whole(tmp_path):
    path = tmp_path / "m.xml"
    kde.export_openvino(served.dense_model(), path)
    before = _contents(tmp_path)
    with pytest.raises(FileExistsError, match="Pass `overwrite=True`"):
        kde.export_openvino(served.dense_model(), path)
    with pytest.raises(kde.ExportError, match="no counterpart for: Svd"):
        kde.export_openvino(_decomposed(), path, overwrite=True)
    assert _contents(tmp_path) == before
    kde.export_openvino(served.dense_model(), path, overwrite=True)
    assert _contents(tmp_path)["m.bin"] != before["m.bin"]
    path.unlink()
    with pytest.raises(FileExistsError, match=r"m\.bin.* already exists"):
        kde.export_openvino(served.dense_model(), path)


@pytest.mark.parametrize("part", ["m.xml", "m.bin"])
def test_a_cut_file_is_a_clear_error(part, tmp_path):
    path, model = tmp_path / "m.xml", served.dense_model()
    kde.export_openvino(model, path)
    place = tmp_path / part
    place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
    said = r"(?s)a whole \.xml file of OpenVINO.*m\.xml.*It cannot be read"
    with pytest.raises(ValueError, match=said):
        kde.audit(path)
    with pytest.raises(ValueError, match=said):
        kde.verify(model, path)


def test_files_of_others_are_a_clear_error(tmp_path):
    path = tmp_path / "m.xml"
    path.write_text("<page/>")
    with pytest.raises(ValueError, match="It cannot be read: it holds no network"):
        kde.audit(path)
    kde.export_openvino(served.dense_model(), path, overwrite=True)
    (tmp_path / "m.bin").unlink()
    with pytest.raises(ValueError, match=r"m\.bin with its weights is missing"):
        kde.audit(path)


def test_the_audit_finds_draws_states_and_extensions(tmp_path):
    package = openvino()
    ops, path = package.opset13, tmp_path / "m.xml"
    x = ops.parameter([1, 4], np.float32, name="x")
    shape, zero, one = (
        ops.constant(each) for each in (np.array([1, 4]), np.float32(0), np.float32(1))
    )
    drawn = ops.random_uniform(shape, zero, one, "f32", 0, 0)
    variable = ops.read_value(ops.add(x, drawn), "kept")
    kept = ops.assign(variable, "kept")
    model = package.Model([ops.result(variable)], [kept], [x], "m")
    package.save_model(model, str(path))
    found = kde.audit(path)
    assert [each.op for each in found.random_ops] == ["RandomUniform"]
    assert {each.op for each in found.state_writes} == {"ReadValue", "Assign"}
    assert not found.unknown_ops
    assert not found.ok
    text = path.read_text()
    path.write_text(re.sub(r'type="Add" version="opset1"', 'type="Mine" version="extension"', text))
    assert [each.op for each in kde.audit(path).unknown_ops] == ["Mine"]


def test_the_audit_looks_into_loops(tmp_path):
    path = tmp_path / "m.xml"
    kde.export_openvino(MODELS["simple rnn backwards"](), path)
    body, rest = path.read_text().split("</body>")
    head, layer, tail = body.rpartition('type="Tanh"')
    assert "<body>" in head
    path.write_text(f"{head}{layer.replace('Tanh', 'RandomUniform')}{tail}</body>{rest}")
    (found,) = kde.audit(path).random_ops
    assert found.op == "RandomUniform"
    assert found.where.startswith("body of Loop '")
