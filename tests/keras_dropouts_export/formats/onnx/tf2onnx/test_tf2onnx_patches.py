"""Tests of faults of tf2onnx that are mended, each on the smallest model that shows it."""

import keras
import pytest
from keras import layers, ops

import keras_dropouts_export as kde
from runtimes import assert_serves


class Branches(layers.Layer):
    """One of two convolutions, as a sum is above zero or not."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = layers.Conv2D(4, 3, padding="same"), layers.Conv2D(4, 1)

    def build(self, input_shape):  # type: ignore[no-untyped-def]
        self.wide.build(input_shape)
        self.narrow.build(input_shape)

    def call(self, inputs):  # type: ignore[no-untyped-def]
        return ops.cond(ops.sum(inputs) > 0, lambda: self.wide(inputs), lambda: self.narrow(inputs))


@pytest.mark.parametrize("opset", [13, 18])
def test_convolutions_in_branches(opset, tmp_path):
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, Branches()(x))
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx", opset=opset))


@pytest.mark.parametrize("opset", [13, 18])
def test_reshape_after_reshape_that_keeps_sizes(opset, tmp_path):
    x = keras.Input((16, 8))
    y = layers.Conv2D(8, 4, strides=4)(layers.Reshape((4, 4, 8))(x))
    y = ops.reshape(y, (-1, 1, 8))
    heads = ops.transpose(ops.reshape(y, (-1, 1, 2, 4)), (0, 2, 1, 3))
    model = keras.Model(x, ops.matmul(heads, ops.transpose(heads, (0, 1, 3, 2))))
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx", opset=opset))
