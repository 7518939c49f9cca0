"""Operations that tf2onnx does not know leave as plain nodes, edge cases included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import keras_dropouts_export as kde

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "Xlogy": tf.math.xlogy,
    "Xdivy": tf.math.xdivy,
    "L2Loss": lambda x, y: x + tf.nn.l2_loss(y),
}


@keras.saving.register_keras_serializable("tests")
class Called(keras.layers.Layer):
    """Calls an operation of TensorFlow's own."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, x: Any, y: Any) -> Any:
        return CALLS[self.name](x, y)


@pytest.mark.parametrize("name", CALLS)
def test_an_operation_of_tensorflow(name: str, tmp_path: Path) -> None:
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    model = keras.Model([x, y], Called(name)(x, y))
    random = np.random.default_rng(0)
    left, right = random.uniform(0.5, 2.0, (2, 3, 4)).astype("float32")
    left[0] = 0.0  # where x is 0 so is x log(y), and x / y, whatever y is
    right[0, 0] = 0.0
    kde.export_onnx(model, tmp_path / "m.onnx", sample_inputs={"x": left[1:], "y": right[1:]})
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (got,) = session.run(None, {"x": left, "y": right})
    np.testing.assert_allclose(got, model([left, right]), rtol=1e-5, atol=1e-6)
    if name != "L2Loss":
        np.testing.assert_array_equal(got[0], np.zeros(4))
