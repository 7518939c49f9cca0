"""OpenVINO, which computes in 32 bits, samples files with rng="portable" as Keras does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.formats.openvino.openvino_runtime import openvino


def in_openvino(path: Path) -> Any:
    core = openvino().Core()
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return core.compile_model(core.read_model(str(path)), "CPU")


def loop_bodies(path: Path) -> list[onnx.GraphProto]:
    loops = [node for node in onnx.load(path).graph.node if node.op_type == "Loop"]
    return [each.g for node in loops for each in node.attribute if each.name == "body"]


def test_a_masked_recurrent_layer_is_a_loop_that_openvino_loads(tmp_path: Path) -> None:
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layers.LSTM(6)(layers.Masking()(inputs)))
    kde.export_onnx(model, tmp_path / "m.onnx")
    bodies = loop_bodies(tmp_path / "m.onnx")
    assert bodies
    for body in bodies:  # none of them returns a state as it took it
        assert not {x.name for x in body.input} & {x.name for x in body.output}
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    x[1, 3:] = 0.0  # padded
    (got,) = in_openvino(tmp_path / "m.onnx")([x]).values()
    wanted = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(got, wanted, atol=1e-6, rtol=1e-5)


def of_one(layer: layers.Layer, *shape: int) -> keras.Model:
    inputs = keras.Input(shape)
    twice = isinstance(layer, (layers.MultiHeadAttention, kd.DropKey))
    return keras.Model(inputs, layer(inputs, inputs) if twice else layer(inputs))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.Dropout(0.5), (5, 4)),
        (lambda: layers.GaussianNoise(0.3), (5, 4)),
        (lambda: layers.MultiHeadAttention(2, 4, dropout=0.3), (5, 4)),
        (lambda: kd.DropBlock2D(0.3, block_size=3), (8, 8, 2)),
        (lambda: kd.DropPath(0.5), (5, 4)),
        (lambda: kd.PatchDropout(0.5), (6, 4)),
        (lambda: kd.DropKey(layers.MultiHeadAttention(2, 4), 0.3), (5, 4)),
        # These run in a Loop.
        (lambda: kd.DropConnect(layers.Dense(6), 0.5), (4,)),
        (lambda: kd.DropBlock2D(0.3, block_size=3, gamma="paper"), (8, 8, 2)),
        (lambda: layers.LSTM(6, dropout=0.3, recurrent_dropout=0.3), (5, 4)),
        (lambda: kd.VariationalRNN(layers.GRU(6), 0.3), (5, 4)),
    ],
    ids=[
        "Dropout",
        "GaussianNoise",
        "Attention",
        "DropBlock2D",
        "DropPath",
        "PatchDropout",
        "DropKey",
        "DropConnect",
        "DropBlock2D-paper",
        "LSTM",
        "VariationalRNN",
    ],
)
def test_openvino_samples_a_portable_file_as_keras_does(
    make: object, shape: tuple[int, ...], tmp_path: Path
) -> None:
    layer = make()  # type: ignore[operator]
    net = of_one(layer, *shape)
    kde.export_onnx(net, tmp_path / "m.onnx", samples=3, reduce=None, rng="portable")
    x = np.random.default_rng(1).uniform(0.5, 1.5, (4, *shape)).astype("float32")
    seeds = np.array([5, -3, 2**31 - 1, -(2**31)])  # it cuts seeds off to 32 bits
    compiled = in_openvino(tmp_path / "m.onnx")
    image, seed = compiled.inputs
    assert "seed" in seed.get_names()
    got = np.moveaxis(compiled({image: x, seed: seeds})[0], 1, 0)
    wanted = kd.mc_predict(net, x, samples=3, row_seeds=seeds).samples
    np.testing.assert_allclose(got, wanted, atol=1e-5, rtol=1e-5)
    assert wanted.std(axis=0).max() > 0.01
