"""Tests functions of keras.ops in ONNX: at the default opset, and ours at the lowest."""

import keras
import numpy as np
import pytest

import keras_dropouts_export as kde
import zoo_operations as operations
from runtimes import assert_serves

LACKING = operations.LACKING

# What handlers of this package write, where tf2onnx has none or one that is wrong.
OURS = (
    *("argmax", "cross", "digitize", "divide_no_nan", "einsum", "erfinv", "expm1", "fft", "fft2"),
    *("fmod", "gelu", "hsv_to_rgb", "ifft2", "in_top_k", "integer floor_divide", "integer mod"),
    *("irfft", "linspace", "log1p", "logaddexp", "mod", "one_hot", "pad", "resize antialias"),
    *("resize bicubic", "resize lanczos3 down", "rfft", "rgb_to_hsv", "searchsorted", "signbit"),
    *("slice_update", "stft", "conv_transpose"),
)


@pytest.mark.parametrize("name", operations.ZOO)
def test_operation(name, tmp_path):
    model = operations.ZOO[name]()
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx"))


@pytest.mark.parametrize("opset", [13, 15, 17])
@pytest.mark.parametrize("name", OURS)
def test_our_operations_at_every_opset(name, opset, tmp_path):
    model = operations.ZOO[name]()
    assert_serves(model, kde.export_onnx(model, tmp_path / "m.onnx", opset=opset))


@pytest.mark.parametrize("name", operations.UNKNOWN_TO_ONNX)
def test_what_onnx_cannot_do_is_named(name, tmp_path):
    function, operation = operations.UNKNOWN_TO_ONNX[name]
    model = operations.model_of(function)
    said = (
        rf"no counterpart for: {operation} in '.*/apply_1/.*'. Export it with `export_saved_model`"
    )
    with pytest.raises(kde.ExportError, match=said):
        kde.export_onnx(model, tmp_path / "m.onnx")
    assert_serves(model, kde.export_saved_model(model, tmp_path / "m"))


def test_bits_of_a_float_are_a_clear_error(tmp_path):
    model = operations.model_of(lambda x: keras.ops.view(x, dtype="int32"))
    with pytest.raises(kde.ExportError, match="cannot read the bits of one dtype as another, as"):
        kde.export_onnx(model, tmp_path / "m.onnx")


def test_a_resize_of_any_size_is_a_clear_error(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Resizing(8, 8, "bicubic")])
    with pytest.raises(kde.ExportError, match="needs images of a fixed size in ONNX"):
        kde.export_onnx(model, tmp_path / "m.onnx")


def test_the_sign_of_zero_is_kept(tmp_path):
    import onnxruntime

    model = operations.model_of(keras.ops.signbit, (3,))
    kde.export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    given = np.array([[0.0, -0.0, -np.inf]], "float32")
    (got,) = session.run(None, {"x": given})
    np.testing.assert_array_equal(got, np.signbit(given))
