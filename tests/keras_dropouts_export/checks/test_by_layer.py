"""Tests that the first layer is named at which an artifact differs from its model."""

import json

import keras
import numpy as np
import onnx
import pytest

import keras_dropouts_export as kde
import zoo
from keras_dropouts_export.layer_names import layer_of
from served import image_model


def changed(path, wanted):
    """Change the weight of an ONNX file that has the shape `wanted`."""
    model = onnx.load(path)
    (weight,) = [each for each in model.graph.initializer if list(each.dims) == wanted]
    array = onnx.numpy_helper.to_array(weight).copy()
    array.flat[0] += 0.5
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, path)


def test_the_first_layer_that_differs_is_named(tmp_path):
    model = keras.Sequential(
        [keras.Input((6,), name="x")]
        + [keras.layers.Dense(size, name=f"dense_of_{size}") for size in (5, 4, 3, 2)]
    )
    kde.export_onnx(model, tmp_path / "m.onnx")
    changed(tmp_path / "m.onnx", [4, 3])
    report = kde.verify(model, tmp_path / "m.onnx")
    assert not report.ok
    assert report.first_difference == "dense_of_3"
    assert "the first layer that differs is 'dense_of_3'" in str(report)
    said = json.loads(report.to_json())
    assert said["first_difference"] == "dense_of_3"
    errors = {each["layer"]: each["error"] for each in said["layers"]}
    assert errors["dense_of_5"] < 1e-5
    assert errors["dense_of_3"] > 1e-3


def test_a_convolution_in_another_layout_is_compared(tmp_path):
    model = image_model()
    kde.export_onnx(model, tmp_path / "m.onnx")
    changed(tmp_path / "m.onnx", [4, 4, 3, 3])
    # The normalization after the convolution is folded into it, and lends its name.
    assert kde.verify(model, tmp_path / "m.onnx").first_difference.startswith("norm")


def test_a_picture_of_the_errors(tmp_path):
    model = zoo.ZOO["nested"]()
    kde.export_onnx(model, tmp_path / "m.onnx")
    right = kde.verify(model, tmp_path / "m.onnx")
    assert right.first_difference is None
    with pytest.raises(ValueError, match="Expected the report of an ONNX file that differs"):
        right.plot()
    model.set_weights([w + 0.1 for w in model.get_weights()])
    figure = kde.verify(model, tmp_path / "m.onnx").plot()
    figure.savefig(tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 1000


def test_a_file_with_other_names_has_no_layers(tmp_path):
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2, name="y")])
    kde.export_onnx(model, tmp_path / "m.onnx")
    file = onnx.load(tmp_path / "m.onnx")
    for i, node in enumerate(file.graph.node[:-1]):
        for other in file.graph.node:
            other.input[:] = [f"t{i}" if x == node.output[0] else x for x in other.input]
        node.output[0] = f"t{i}"
    onnx.save(file, tmp_path / "m.onnx")
    model.set_weights([np.asarray(w) + 1.0 for w in model.get_weights()])
    report = kde.verify(model, tmp_path / "m.onnx")
    assert not report.ok
    assert report.first_difference is None


def test_names_of_layers():
    assert layer_of("images_1/first_1/BiasAdd:0", "images") == "first"
    assert layer_of("sequential_3_1/inner_1/dense_2_1/MatMul:0", "sequential_3") == (
        "inner/dense_2"
    )
    assert layer_of("Add:0", "m") == "m"
