"""Tests of models that are larger than one ONNX file may be, with that limit lowered."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import keras_dropouts_export as kde
import zoo
import zoo_hub
from keras_dropouts_export.formats.onnx import large_weights
from runtimes import assert_serves
from served import inputs_of


def contents(folder):
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def bytes_of_constants(path):
    return sum(numpy_helper.to_array(each).nbytes for each in onnx.load(path).graph.initializer)


@pytest.fixture(autouse=True)
def lowered(monkeypatch):
    monkeypatch.setattr(large_weights, "APART", 1)
    monkeypatch.setattr(large_weights, "LARGE", 1)
    monkeypatch.setattr(large_weights, "KEPT", 64)


MODELS = ("cnn", "multi_head_attention", "masked_lstm", "structures", "subclassed", "hub_Bert")


@pytest.mark.parametrize("name", [*MODELS, "mixed_float16", "mixed_bfloat16"])
def test_the_weights_are_in_a_second_file(name, tmp_path):
    model = {**zoo.ZOO, **zoo_hub.ZOO}[name]()
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    assert_serves(model, report, told=name != "subclassed")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert report.bytes == sum(each.stat().st_size for each in tmp_path.iterdir())
    graph = onnx.load(tmp_path / "m.onnx", load_external_data=False).graph
    apart = [each for each in graph.initializer if each.data_location == each.EXTERNAL]
    assert apart
    assert {entry.value for entry in apart[0].external_data if entry.key == "location"} == {
        "m.onnx.data"
    }
    assert [each.name for each in graph.input] == [each.name for each in report.inputs]
    assert kde.verify(model, tmp_path / "m.onnx").ok
    assert kde.audit(tmp_path / "m.onnx").ok


@pytest.mark.parametrize("name", [*MODELS, "every_activation", "mixed_bfloat16"])
def test_weights_that_fit_are_put_into_the_one_file(name, tmp_path, monkeypatch):
    monkeypatch.setattr(large_weights, "LARGE", 10**9)
    model = {**zoo.ZOO, **zoo_hub.ZOO}[name]()
    kept = large_weights.large_weights(model)
    assert kept
    report = kde.export_onnx(model, tmp_path / "m.onnx")
    assert_serves(model, report, told=name != "subclassed")
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]
    monkeypatch.setattr(large_weights, "APART", 10**9)
    assert kde.export_onnx(model, tmp_path / "whole.onnx").inputs == report.inputs
    sizes = [bytes_of_constants(tmp_path / file) for file in ("m.onnx", "whole.onnx")]
    assert sizes[0] < 1.1 * sizes[1]  # no weight is there twice


def test_weights_are_transposed_once(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(9, 3)])
    kde.export_onnx(model, tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    kernel = next(each for each in graph.initializer if len(each.dims) == 4)
    assert list(kernel.dims) == [9, 3, 3, 3]
    np.testing.assert_array_equal(
        onnx.numpy_helper.to_array(kernel), np.transpose(model.layers[0].kernel, (3, 2, 0, 1))
    )


def test_both_files_can_be_moved_together(tmp_path):
    model = zoo.ZOO["cnn"]()
    kde.export_onnx(model, tmp_path / "m.onnx")
    (tmp_path / "other").mkdir()
    for each in ("m.onnx", "m.onnx.data"):
        (tmp_path / each).rename(tmp_path / "other" / each)
    session = onnxruntime.InferenceSession(str(tmp_path / "other" / "m.onnx"))
    x = inputs_of(model)
    np.testing.assert_allclose(session.run(None, {"image": x})[0], model(x), rtol=1e-4, atol=1e-5)


def test_neither_file_is_overwritten_unless_asked_for(tmp_path):
    model = zoo.ZOO["cnn"]()
    (tmp_path / "m.onnx.data").write_text("mine")
    with pytest.raises(FileExistsError, match=r"m\.onnx\.data"):
        kde.export_onnx(model, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"No part of it: .*m\.onnx\.data"):
        kde.export_onnx(model, tmp_path / "m.onnx", overwrite=True)
    assert (tmp_path / "m.onnx.data").read_text() == "mine"
    (tmp_path / "m.onnx.data").unlink()
    for overwrite in (False, True):
        kde.export_onnx(model, tmp_path / "m.onnx", overwrite=overwrite)
        assert kde.verify(model, tmp_path / "m.onnx").ok


def test_a_small_model_takes_the_place_of_a_large_one(tmp_path, monkeypatch):
    model = zoo.ZOO["cnn"]()
    kde.export_onnx(model, tmp_path / "m.onnx")
    monkeypatch.setattr(large_weights, "LARGE", 10**9)
    kde.export_onnx(model, tmp_path / "m.onnx", overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]
