"""Mistakes of a user, one on each line with the comment `error`, that a type checker must see."""

import keras  # type: ignore[import-untyped]

import keras_dropouts as kd
import keras_dropouts_export as kde

model = keras.Sequential([keras.Input((4,))])

kd.DropBlock2D("high", 3)  # error
kd.ScheduledDropout(0.1, seed="seven")  # error
kd.schedules.LinearRamp(0.0, 0.5, ramp_epochs="two")  # error
kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=10).ramp_steps = 20  # error
kd.mc_predict(model, [1.0], samples="many")  # error
kd.DropBlok2D(0.1)  # error
kde.export_onnx(model)  # error
kde.export_onnx(model, "model.onnx", opset="new")  # error
kde.exprot_onnx(model, "model.onnx")  # error
print(kde.audit("model.onnx").is_ok)  # error
