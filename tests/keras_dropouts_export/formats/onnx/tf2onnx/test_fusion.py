"""Tests of the faster forms of what Keras writes, each on the smallest model that has it."""

from collections import Counter

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers, ops

import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.tf2onnx.adapter import MAXIMUM_OPSET
from runtimes import assert_serves


def randomized(model):
    """Make every weight random, as ones and zeros would be folded away."""
    random = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape).astype(weight.dtype))
    return model


def exported(folder, layer, shape=(None, 8), opset=18):
    """Return how many nodes of each operation the file of a verified export has."""
    x = keras.Input(shape, dtype=layer.compute_dtype, name="x")
    model = randomized(keras.Model(x, layer(x)))
    path = folder / "m.onnx"
    assert_serves(model, kde.export_onnx(model, path, opset=opset, overwrite=True))
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("opset", [13, 16, 17, 18, 21, MAXIMUM_OPSET])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_layer_normalization(scale, center, opset, tmp_path):
    layer = layers.LayerNormalization(scale=scale, center=center, epsilon=1e-2)
    found = exported(tmp_path, layer, opset=opset)
    assert found["LayerNormalization"] == (opset >= 17)


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_layer_normalization_of_other_widths(dtype, tmp_path):
    assert exported(tmp_path, layers.LayerNormalization(dtype=dtype))["LayerNormalization"] == 1


@pytest.mark.parametrize("axis", [1, [1, 2], [2, 3]])
def test_other_axes_are_left_alone(axis, tmp_path):
    found = exported(tmp_path, layers.LayerNormalization(axis=axis), (5, 6, 8))
    assert found["LayerNormalization"] == 0


@pytest.mark.parametrize(
    "layer",
    [
        layers.GroupNormalization(2),
        layers.RMSNormalization(),
        layers.BatchNormalization(),
        layers.LayerNormalization(axis=[3]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_normalizations_are_right(layer, tmp_path):
    found = exported(tmp_path, layer, (5, 6, 8))
    assert found["LayerNormalization"] == isinstance(layer, layers.LayerNormalization)


def test_a_last_axis_of_one(tmp_path):
    assert exported(tmp_path, layers.LayerNormalization(), (None, 1))["LayerNormalization"] == 0


class Almost(layers.Layer):
    """Layer normalization, but for one term."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def call(self, x):  # type: ignore[no-untyped-def]
        other = ops.flip(x, axis=-1)
        of = {"square": other, "mean": other}
        mean, variance = ops.moments(of.get(self.what, x), axes=[-1], keepdims=True)
        inverse = ops.rsqrt(variance + 1e-3)
        shift = -(ops.max(x, -1, keepdims=True) if self.what == "shift" else mean)
        scaled = other if self.what == "scaled" else x
        times = inverse * 2.0 if self.what == "inverse" else inverse
        return scaled * inverse + shift * times


@pytest.mark.parametrize("what", ["square", "mean", "shift", "scaled", "inverse"])
def test_what_is_almost_a_normalization_is_not_taken_for_one(what, tmp_path):
    assert exported(tmp_path, Almost(what))["LayerNormalization"] == 0


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("opset", [13, 18, MAXIMUM_OPSET])
def test_gelu_is_written_as_runtimes_fuse_it(dtype, opset, tmp_path):
    layer = layers.Activation("gelu", dtype=dtype)
    found = exported(tmp_path, layer, opset=opset)
    assert (found["Erf"], found["Div"], found["Sub"], found["Neg"]) == (1, 1, 0, 0)


def test_an_erfc_that_is_no_gelu_is_right(tmp_path):
    halves = layers.Lambda(lambda x: 0.5 * x * tf.math.erfc(-x * 0.6))
    assert exported(tmp_path, halves)["Div"] == 0
    two = layers.Lambda(lambda x: 0.5 * ops.flip(x, -1) * tf.math.erfc(-x * np.sqrt(0.5)))
    assert exported(tmp_path, two)["Div"] == 0


@pytest.mark.parametrize("shape", [(None, 8), (5, 8), (None, None, 8), (5, 6, 8)])
@pytest.mark.parametrize("opset", [13, 18])
def test_dense_over_sequences_is_one_product(shape, opset, tmp_path):
    found = exported(tmp_path, layers.Dense(8), shape, opset)
    assert (found["MatMul"], found["Reshape"], found["Shape"]) == (1, 0, 0)


class Contract(layers.Layer):
    """A product over two axes, or over one that is not the last."""

    def __init__(self, axes: list[int]) -> None:
        super().__init__()
        self.axes = axes

    def build(self, shape):  # type: ignore[no-untyped-def]
        self.kernel = self.add_weight(shape=(*(shape[i] for i in self.axes), 4))

    def call(self, x):  # type: ignore[no-untyped-def]
        return ops.tensordot(x, self.kernel, [self.axes, list(range(len(self.axes)))])


@pytest.mark.parametrize("axes", [[1, 2], [2, 1], [1], [2]])
def test_products_over_other_axes_are_right(axes, tmp_path):
    exported(tmp_path, Contract(axes), (1, 8))
    exported(tmp_path, Contract(axes), (8, 8))


def test_dense_on_a_reshaped_product_is_right(tmp_path):
    flat = layers.Lambda(
        lambda x: tf.reshape(
            tf.matmul(tf.reshape(x, (-1, 8)), tf.eye(8) * 2.0),
            tf.concat([tf.gather(tf.shape(x), [1, 0]), [8]], 0),
        )
    )
    assert exported(tmp_path, flat)["Reshape"] == 2
