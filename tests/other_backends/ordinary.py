"""Exports ordinary models from another backend than TensorFlow; run as a program."""

import sys
from pathlib import Path

import common
import keras
import numpy as np
import pytest
from common import BACKEND, close, numpy_of, run, stirred
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde

folder = Path(sys.argv[1])
random = np.random.default_rng(0)


def floats(*shape):
    """Return normal numbers."""
    return random.normal(size=shape).astype("float32")


# A Sequential model with dropout of ours and of Keras; each step is told, the report is whole.
ramp = kd.schedules.LinearRamp(0.0, 0.6, ramp_steps=4)
model = keras.Sequential(
    [
        keras.Input((6,), name="features"),
        layers.Dense(8, activation="gelu"),
        kd.ScheduledDropout(ramp, name="ramp"),
        layers.Dropout(0.5, name="keras_drop"),
        kd.ConcreteDropout(layers.Dense(3, name="inner"), name="score", data_size=16),
    ],
    name="plain",
)
model.compile("sgd", "mse")
model.fit(floats(16, 6), floats(16, 3), batch_size=8, verbose=0)
steps = []
report = kde.export_onnx(stirred(model), folder / "plain.onnx", progress=steps.append)
assert steps == ["trace", "convert", "audit", "verify", "place"], steps
x = floats(5, 6)
(answer,) = run(folder / "plain.onnx", features=x).values()
close(answer, numpy_of(model(x, training=False)), "Sequential")
assert report.ok
assert report.path == str(folder / "plain.onnx")
rates = {row.path: row.rate for row in report.stripped}
assert rates["ramp"] == model.get_layer("ramp").rate > 0.0, rates
beside = [row for row in report.parity.rows if row.model_on == BACKEND]
assert len(beside) == len(report.parity.rows) / 2, report.parity
assert all(row.max_abs_error < 1e-5 for row in beside), report.parity
assert f"beside the model on '{BACKEND}'" in str(report)
assert model.get_layer("ramp").step == 2

# An existing file stays, and the error is that of TensorFlow.
before = (folder / "plain.onnx").read_bytes()
with pytest.raises(FileExistsError, match=r"already exists\. Pass `overwrite=True`"):
    kde.export_onnx(model, folder / "plain.onnx")
assert (folder / "plain.onnx").read_bytes() == before
# An error of the other process has its class and its text.
with pytest.raises(ValueError, match="a list of strings, one for each of the 3 classes of output"):
    kde.export_onnx(model, folder / "labels.onnx", labels=["one", "two"])
assert not (folder / "labels.onnx").exists()

# The file is compared with the model of this process, and with other weights it is not equal.
assert kde.verify(model, folder / "plain.onnx").ok
bias = model.get_layer("score").layer.bias
bias.assign(bias + 1.0)
wrong = kde.verify(model, folder / "plain.onnx")
assert not wrong.ok
assert wrong.max_abs_error > 0.9

# Two inputs and dicts, and a LiteRT file or an OpenVINO one.
left, right = keras.Input((4,), name="left"), keras.Input((4, 2), name="right")
h = layers.Concatenate()([left, layers.Flatten()(right)])
h = kd.GaussianDropout(0.2)(layers.LayerNormalization()(h))
outputs = {"sum": layers.Dense(2, name="s")(h), "product": layers.Dense(1, name="p")(h)}
model = stirred(keras.Model({"left": left, "right": right}, outputs, name="dicts"))
given = {"left": floats(3, 4), "right": floats(3, 4, 2)}
wanted = numpy_of(model(given, training=False))
kde.export_onnx(model, folder / "dicts.onnx", sample_inputs=given)
answers = run(folder / "dicts.onnx", **given)
assert set(answers) == {"sum", "product"}
for name, value in answers.items():
    close(value, wanted[name], f"Functional with dicts, {name}")
if BACKEND == "jax":
    kde.export_litert(model, folder / "dicts.tflite")
    assert kde.verify(model, folder / "dicts.tflite").ok
else:
    kde.export_openvino(model, folder / "dicts.xml")
    assert kde.verify(model, folder / "dicts.xml").ok

# A convolutional net with BatchNormalization, whose statistics training moved, as a SavedModel.
model = keras.Sequential(
    [
        keras.Input((8, 8, 3), name="image"),
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        kd.DropBlock2D(0.2, block_size=3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    ],
    name="conv",
)
model.compile("sgd", "mse")
model.fit(floats(16, 8, 8, 3) + 2.0, floats(16, 2), batch_size=4, verbose=0)
image = floats(2, 8, 8, 3)
kde.export_saved_model(model, folder / "conv")
answer = common.saved_model(folder / "conv", image=image)
close(next(iter(answer.values())), numpy_of(model(image, training=False)), "BatchNormalization")
print("ok")
