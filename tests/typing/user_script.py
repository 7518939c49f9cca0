"""A user's script with the types that mypy and pyright must see in it; it is read, never run."""

from typing import Any, assert_type

import keras  # type: ignore[import-untyped]
import numpy as np

import keras_dropouts as kd
import keras_dropouts_export as kde

# Layers are of their own class, through the decorator that registers them.
block = kd.DropBlock2D(0.1, block_size=3)
assert_type(block, kd.DropBlock2D)
assert_type(block.rate, float)
assert_type(kd.DropBlock1D(0.1, 3), kd.DropBlock1D)
assert_type(kd.DropBlock3D(0.1, 3), kd.DropBlock3D)
assert_type(kd.SpatialDropout(0.1), kd.SpatialDropout)
assert_type(kd.DropPath(0.1), kd.DropPath)
assert_type(kd.StochasticDepth(0.1), kd.StochasticDepth)
assert_type(kd.GaussianDropout(0.1), kd.GaussianDropout)
assert_type(kd.PatchDropout(0.1), kd.PatchDropout)
assert_type(kd.ConcreteDropout(keras.layers.Dense(4)), kd.ConcreteDropout)
assert_type(kd.VariationalDropout(keras.layers.Dense(4)), kd.VariationalDropout)
assert_type(kd.DropConnect(keras.layers.Dense(4), 0.1), kd.DropConnect)
assert_type(kd.VariationalRNN(keras.layers.LSTM(4), 0.1), kd.VariationalRNN)
assert_type(kd.Zoneout(keras.layers.LSTM(4), 0.1), kd.Zoneout)
assert_type(kd.EmbeddingDropout(keras.layers.Embedding(9, 4), 0.1), kd.EmbeddingDropout)
assert_type(kd.DropKey(keras.layers.MultiHeadAttention(2, 4), 0.1), kd.DropKey)
assert_type(kd.DropHead(keras.layers.MultiHeadAttention(2, 4), 0.1), kd.DropHead)
assert_type(kd.MultiSampleDropout(keras.layers.Dense(4), 0.1), kd.MultiSampleDropout)
assert_type(kd.depth_rates(4, 0.2), list[float])

# The rate of a layer is a float, whatever sets it: a number, a schedule or a user's function.
ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=100)
assert_type(ramp, kd.schedules.LinearRamp)
assert_type(ramp.ramp_steps, int | None)  # None where the ramp is given in epochs
scheduled = kd.ScheduledDropout(ramp, seed=7)
assert_type(scheduled.rate, float)
assert_type(scheduled.step, int)
assert_type(kd.ScheduledDropout(lambda step: 0.1 * step), kd.ScheduledDropout)
scheduled.rate = 0.3

# Models are Keras's own, before and after.
model = keras.Sequential([keras.Input((8, 8, 1)), block, keras.layers.Flatten(), scheduled])
trainer = kd.RDrop(model, alpha=1.0)
assert_type(trainer, kd.RDrop)
callbacks = [kd.RateLogger(), kd.RateScheduler(lambda epoch: 0.1 * epoch)]
for row in kd.inspect_dropout(model):
    assert_type(row.path, str)
    assert_type(row.rate, float)
    assert_type(row.schedule, str | None)
    assert_type(row.learned, bool)
smaller: keras.Model = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(0.1))
larger: keras.Model = kd.add_dropout(model, lambda layer: None)

# Samples, with the structure of the model's outputs.
x = np.zeros((2, 8, 8, 1), "float32")
prediction = kd.mc_predict(model, x, samples=8, seed=1)
assert_type(prediction, kd.MonteCarloPrediction)
assert_type(prediction.seed, int | None)  # None where each row is given its own
mean: np.ndarray[Any, Any] = prediction.mean

# Reports of what leaves training.
report = kde.export_onnx(model, "model.onnx", opset=18)
assert_type(report, kde.ExportReport)
assert_type(report.ok, bool)
assert_type(report.audit, kde.AuditReport)
assert_type(report.parity, kde.ParityReport)
assert_type(kde.export_saved_model(model, "model"), kde.ExportReport)
assert_type(kde.export_litert(model, "model.tflite"), kde.ExportReport)
assert_type(kde.export_openvino(model, "model.xml"), kde.ExportReport)
assert_type(kde.verify(model, "model.onnx"), kde.ParityReport)
assert_type(kde.audit("model.onnx"), kde.AuditReport)
assert_type(kde.doctor(model), kde.DoctorReport)
assert_type(kde.strip_report(model), kde.StripReport)
assert_type(report.to_json(), str)
stripped: keras.Model = kde.strip_dropout(model)
frozen: keras.Model = kde.freeze_dropout(model)
try:
    kde.export_onnx(model, "model.onnx", samples=4, overwrite=True)
except kde.ExportError as error:
    assert_type(error, kde.ExportError)
