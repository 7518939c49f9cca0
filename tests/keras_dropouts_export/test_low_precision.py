"""ONNX files of float16 and int8: what they lose is measured, and their masks are the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers, ops

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export import ExportError
from keras_dropouts_export.formats.onnx.tf2onnx.draw_nodes import is_draw

CLASSES = ["ant", "bee", "cat", "dog"]


def classifier() -> keras.Model:
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((8, 8, 2), name="image"),
            layers.Conv2D(16, 3, activation="relu"),
            kd.DropBlock2D(0.3, block_size=3),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(4, activation="softmax", name="label"),
        ]
    )


def images(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 8, 8, 2)).astype("float32")


def serve(path: Path, x: np.ndarray, seeds: np.ndarray | None = None) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    first = session.get_inputs()[0].name
    feeds = {first: x} if seeds is None else {first: x, "seed": seeds}
    return dict(zip(names, session.run(names, feeds), strict=True))


def dtypes_of_weights(path: Path) -> set[str]:
    names = {each.data_type for each in onnx.load(path).graph.initializer}
    return {onnx.TensorProto.DataType.Name(each) for each in names}


WAYS = {
    "float16": {"dtype": "float16"},
    "int8, dynamic": {"quantize": "int8"},
    "int8, static": {"quantize": "int8", "representative_inputs": images(64)},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_says_what_it_lost(way: str, tmp_path: Path) -> None:
    model, path = classifier(), tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, labels=CLASSES, **WAYS[way])
    plain = kde.export_onnx(model, tmp_path / "plain.onnx")
    assert report.bytes < {"float16": 0.65, "int8": 0.5}[way.split(",")[0]] * plain.bytes
    (row,) = report.loss.rows
    assert row.output == "label"
    assert 0.0 < row.max_abs_error <= row.allowed
    assert 0.9 <= row.same_class <= 1.0
    assert report.ok
    assert report.loss.precision == way.split(",")[0]
    x = images(64)
    error = np.abs(serve(path, x)["label"] - ops.convert_to_numpy(model(x))).max()
    assert error <= 2 * row.max_abs_error + 1e-3
    assert f"loss of {way.split(',')[0]} against the model" in str(report)
    assert json.loads(report.to_json())["loss"]["rows"][0]["same_class"] == row.same_class
    whose = "the representative inputs" if "static" in way else "random inputs"
    assert report.loss.inputs.endswith(f"rows of {whose}")
    known = dtypes_of_weights(path)
    assert ("FLOAT16" in known) == (way == "float16")
    assert ("INT8" in known) == (way != "float16")
    assert kde.audit(path).ok


@pytest.mark.parametrize("way", WAYS)
def test_the_file_still_says_what_it_is(way: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(classifier(), path, samples=4, labels=CLASSES, **WAYS[way])
    file = onnx.load(path)
    assert (file.producer_name, file.producer_version) == ("keras-dropouts", kd.__version__)
    assert "with 4 samples" in file.doc_string
    keys = {each.key for each in file.metadata_props}
    assert keys == {
        "keras_dropouts.monte_carlo",
        "keras_dropouts.kept",
        "keras_dropouts.versions",
        "keras_dropouts.self_test",
        "keras_dropouts.labels",
        "keras_dropouts.precision",
    }
    assert [(each.domain, each.version) for each in file.opset_import] == [("", 18)]
    assert {each.name for each in file.graph.input} == {"image", "seed"}
    assert {value.type.tensor_type.elem_type for value in file.graph.output} == {1}


@pytest.mark.parametrize("way", ["float16", "int8, dynamic"])
def test_verify_knows_what_a_file_may_lose(way: str, tmp_path: Path) -> None:
    model, path = classifier(), tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=4, **WAYS[way])
    assert kde.verify(model, path).ok
    assert not kde.verify(model, path, atol=1e-9, rtol=1e-9).ok
    model.layers[-1].set_weights([-x for x in model.layers[-1].get_weights()])
    assert not kde.verify(model, path).ok


@pytest.mark.parametrize("way", WAYS)
def test_the_self_test_is_that_of_the_file(way: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(classifier(), path, samples=4, **WAYS[way])
    session = onnxruntime.InferenceSession(path)
    names = [each.name for each in session.get_outputs()]

    def run(inputs: Any) -> Any:
        return dict(zip(names, session.run(names, inputs), strict=True))

    assert kde.self_test(path, run), str(kde.self_test(path, run))
    other = kde.self_test(path, lambda inputs: run({**inputs, "seed": inputs["seed"] + 1}))
    assert not other


def draws(path: Path, x: np.ndarray, seeds: np.ndarray) -> dict[str, np.ndarray]:
    file = onnx.load(path)
    names = [node.output[0] for node in file.graph.node if is_draw(node)]
    assert names
    file.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(file.SerializeToString())
    feeds = {session.get_inputs()[0].name: x, "seed": seeds}
    return dict(zip(names, session.run(names, feeds), strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_seeded_masks_are_the_same_bits(way: str, tmp_path: Path) -> None:
    model, x, seeds = classifier(), images(5), kd.row_seeds(7, 5)
    kde.export_onnx(model, tmp_path / "m.onnx", samples=6, **WAYS[way])
    kde.export_onnx(model, tmp_path / "plain.onnx", samples=6)
    got, wanted = (draws(tmp_path / name, x, seeds) for name in ("m.onnx", "plain.onnx"))
    assert set(got) == set(wanted)
    assert len(got) >= 2
    for name, numbers in wanted.items():
        np.testing.assert_array_equal(got[name], numbers)
    served = serve(tmp_path / "m.onnx", x, seeds)
    prediction = kd.mc_predict(model, x, samples=6, row_seeds=seeds)
    bounds = {"float16": 1e-3, "int8, dynamic": 0.03, "int8, static": 0.03}
    np.testing.assert_allclose(served["label_mean"], prediction.mean, atol=bounds[way], rtol=0)


def of_one(layer: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((64,), name="x"), layer])


@pytest.mark.parametrize(
    "layer",
    [
        layers.GaussianNoise(0.3),
        layers.GaussianDropout(0.3),
        layers.AlphaDropout(0.3),
        kd.GaussianDropout(0.3),
    ],
    ids=lambda layer: f"{type(layer).__module__.split('.')[0]}-{type(layer).__name__}",
)
def test_noise_is_computed_in_float32(layer: layers.Layer, tmp_path: Path) -> None:
    model, path = of_one(layer), tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=16, reduce=None, dtype="float16")
    x = np.random.default_rng(0).uniform(0.5, 1.5, (32, 64)).astype("float32")
    seeds = kd.row_seeds(3, 32)
    (got,) = serve(path, x, seeds).values()
    wanted = np.moveaxis(kd.mc_predict(model, x, samples=16, row_seeds=seeds).samples, 0, 1)
    largest = np.abs(got - wanted).max()
    # Two roundings to float16: of the input and of the output.
    assert largest <= 2 * 2.0**-10 * np.abs(wanted).max(), largest


def row_by_row() -> keras.Model:
    inputs = keras.Input((32,), name="x")
    dense = kd.DropConnect(layers.Dense(64, activation="relu"), 0.3)
    return keras.Model(inputs, layers.Dense(3, name="y")(layers.GaussianNoise(0.3)(dense(inputs))))


def test_float16_refuses_draws_inside_a_loop(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"inside a Loop(?s:.*)`fixed_masks=True`"):
        kde.export_onnx(row_by_row(), tmp_path / "m.onnx", samples=8, dtype="float16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options", [{"dtype": "float16", "fixed_masks": True}, {"quantize": "int8"}], ids=str
)
def test_weights_that_are_dropped_stay_so(options: Any, tmp_path: Path) -> None:
    model, path = row_by_row(), tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=8, **options)
    x, seeds = np.ones((4, 32), "float32"), kd.row_seeds(3, 4)
    fixed = "fixed_masks" in options
    prediction = kd.mc_predict(model, x, samples=8, row_seeds=seeds, fixed_masks=fixed)
    served = serve(path, x, seeds)
    scale = np.abs(prediction.samples).max()
    bound = 0.01 if fixed else 0.05
    np.testing.assert_allclose(served["y_mean"], prediction.mean, atol=bound * scale, rtol=0)
    np.testing.assert_allclose(served["y_std"], prediction.std, atol=bound * scale, rtol=0)


def test_a_recurrent_layer_stays_in_float32_in_int8(tmp_path: Path) -> None:
    layer = layers.LSTM(16, recurrent_dropout=0.2)
    model = keras.Sequential([keras.Input((5, 4)), layer, layers.Dense(3)])
    path = tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, quantize="int8")
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert {"LSTM", "MatMulInteger"} <= kinds
    assert report.audit.ok


def test_a_loss_that_is_not_allowed_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ExportError, match=r"would lose more than is allowed(?s:.*)largest error"):
        kde.export_onnx(classifier(), path, quantize="int8", atol=1e-9, rtol=1e-9, overwrite=True)
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, r"`dtype`\. Expected one of None, 'float32', 'float16'"),
        ({"quantize": "int4"}, r"`quantize`\. Expected one of None, 'int8'"),
        (
            {"quantize": "int8", "dtype": "float16"},
            r"`quantize`\. Expected None with dtype='float16'",
        ),
        (
            {"representative_inputs": np.ones((2, 8, 8, 2))},
            r"`representative_inputs`\. Expected None where `dtype` and `quantize` are None",
        ),
        (
            {"quantize": "int8", "representative_inputs": np.ones((2, 9))},
            r"`representative_inputs`\. Expected an array of shape \[any, 8, 8, 2\]",
        ),
        (
            {"samples": 2, "rng": "native", "dtype": "float16"},
            r"`rng`\. Expected 'philox' or 'portable' with float16",
        ),
    ],
)
def test_bad_options_are_named(options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        kde.export_onnx(classifier(), tmp_path / "m.onnx", **options)
    assert not list(tmp_path.iterdir())
