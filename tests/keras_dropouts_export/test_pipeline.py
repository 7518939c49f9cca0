"""Tests the steps of every export, its report, and that a wrong file is never written."""

import json

import keras
import pytest

import keras_dropouts_export as kde
from keras_dropouts_export import pipeline
from keras_dropouts_export.formats.onnx import onnx_writer
from served import dense_model, graph_model

EXPORTS = [(kde.export_onnx, "m.onnx"), (kde.export_saved_model, "m")]
both = pytest.mark.parametrize(("export", "name"), EXPORTS, ids=["onnx", "saved_model"])


@both
def test_each_step_is_told(export, name, tmp_path):
    steps = []
    export(dense_model(), tmp_path / name, progress=steps.append)
    assert tuple(steps) == pipeline.STEPS


@both
def test_the_report_reads_well(export, name, tmp_path):
    report = export(graph_model(), tmp_path / name)
    text = str(report)
    for part in (
        name,
        "series: float32[batch, 6, 4]",
        "mean: float32[batch, 2]",
        "attend",
        "rate 0.3",
    ):
        assert part in text
    said = json.loads(report.to_json())
    assert said["ok"] is True
    assert said["parity"]["ok"] is True
    assert said["audit"]["ok"] is True
    assert said["bytes"] == report.bytes > 0
    assert said["versions"]["keras"] == keras.__version__
    assert {row["layer"] for row in said["stripped"]} >= {"LSTMCell", "MultiHeadAttention"}
    assert report.path == report.parity.path == report.audit.path == str(tmp_path / name)


def test_a_file_that_is_not_the_model_is_not_written(tmp_path, monkeypatch):
    write = onnx_writer.write_onnx

    def write_another(exported, path, opset):
        function = exported.plain
        function.model.get_layer("score").bias.assign([1.0, 1.0])
        written = write(exported, path, opset)
        function.model.get_layer("score").bias.assign([0.0, 0.0])
        return written

    monkeypatch.setattr(onnx_writer, "write_onnx", write_another)
    with pytest.raises(kde.ExportError, match=r"its outputs are not the model's\.\n.*NOT equal"):
        kde.export_onnx(dense_model(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_with_residue_is_not_written(tmp_path, monkeypatch):
    write = onnx_writer.write_onnx

    def write_with_residue(exported, path, opset):
        import onnx as onnx_package

        written = write(exported, path, opset)
        model = onnx_package.load(path)
        model.graph.node.append(
            onnx_package.helper.make_node("RandomNormal", [], ["r"], shape=[1], name="left")
        )
        onnx_package.save(model, path)
        return written

    monkeypatch.setattr(onnx_writer, "write_onnx", write_with_residue)
    with pytest.raises(kde.ExportError, match="RandomNormal 'left' in the main graph"):
        kde.export_onnx(dense_model(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@both
def test_samples_of_zero_are_refused(export, name, tmp_path):
    with pytest.raises(ValueError, match="Invalid value for argument `samples`"):
        export(dense_model(), tmp_path / name, samples=0)
