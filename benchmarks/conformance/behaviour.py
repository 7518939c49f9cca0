"""Checks each layer whatever is drawn: rates 0 and 1, shapes, gradients, saving, surgery."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from running import gradient_of, to_numpy, wrapped_layer_fails
from statistical import NOT_ASKED, RATE, Check

from keras_dropouts import schedules
from keras_dropouts.surgery import rewrite
from subjects import Subject


def ends(subject: Subject) -> Check:
    """Rate 0 changes nothing and rate 1 drops all, both without NaN."""
    if not subject.ends:
        return NOT_ASKED
    x = subject.data()
    zero, one = subject.make(rate=0.0, seed=1), subject.make(rate=1.0, seed=1)
    kept = to_numpy(subject.call(zero, x, training=True))
    plain = to_numpy(subject.call(zero, x))
    gone = to_numpy(subject.call(one, x, training=True))
    ok = np.allclose(kept, plain, rtol=1e-5, atol=1e-6) and np.isfinite(gone).all()
    return Check(bool(ok and (not subject.dropped or not gone.any())))


def hostile_shapes(subject: Subject) -> Check:
    """No NaN, no error: one sample, none at all, sizes of 1, odd and long ones."""
    smallest = tuple(1 if i < len(subject.shape) - 1 else n for i, n in enumerate(subject.shape))
    if subject.name.startswith(("PatchDropout",)):
        smallest = (2, subject.shape[-1])
    if "Conv2D" in subject.name:
        smallest = (3, 3, subject.shape[-1])  # a kernel's size
    shapes = [(1, *subject.shape), (0, *subject.shape), (3, *smallest), (5, *smallest)]
    bad = []
    for shape in shapes:
        values = np.ones(shape, "int32" if subject.tokens else "float32")
        layer = subject.make(rate=0.5, seed=1)
        if wrapped_layer_fails(subject, values, "float32", "eager"):
            continue  # Keras's convolutions and LSTM take no empty batch on TensorFlow
        if not np.isfinite(to_numpy(subject.call(layer, values, training=True))).all():
            bad.append(shape)
    return Check(not bad, "" if not bad else f"NaN at {bad}")


def gradient(subject: Subject) -> Check:
    """The gradient is exactly 0 where a unit is dropped and the scale elsewhere."""
    if not subject.dropped:
        return NOT_ASKED
    layer = subject.make(rate=RATE, seed=1)
    x = subject.data(16)
    output, slope = gradient_of(layer, x)
    expected = np.where(output == 0, 0.0, output / x)
    return Check(bool(np.allclose(slope, expected, rtol=1e-5, atol=0)))


def saving(subject: Subject) -> Check:
    """A saved and loaded model goes on bit for bit as one that was never stopped."""
    if not isinstance(subject.make(rate=RATE, seed=1), keras.Layer):
        return NOT_ASKED  # a module of PyTorch
    rate = schedules.LinearRamp(0.1, 0.6, 8) if subject.schedules else RATE
    model = subject.model(rate, seed=None)
    x = subject.data()
    model(x, training=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        again = keras.saving.load_model(Path(folder) / "model.keras")
    runs = [[to_numpy(each(x, training=True)) for _ in range(3)] for each in (model, again)]
    return Check(bool(np.array_equal(runs[0], runs[1])))


def stand_ins(subject: Subject) -> Check:
    """Stripped and frozen, the model computes the same, bit for bit, when not training."""
    if not hasattr(subject.make(rate=RATE, seed=1), "stripped"):
        return NOT_ASKED
    model = subject.model(RATE)
    x = subject.data()
    layer = model.get_layer("subject")
    before = to_numpy(model(x))

    def strip(each: Any) -> Any:
        left = each.stripped() if each is layer else None
        return None if each is not layer else [] if left is None else [left]

    stripped = rewrite.rewrite(model, strip)
    frozen = rewrite.rewrite(model, lambda each: each.frozen() if each is layer else None)
    same = [np.array_equal(to_numpy(each(x)), before) for each in (stripped, frozen)]
    return Check(all(same), "" if all(same) else f"strip {same[0]}, freeze {same[1]}")


def schedule(subject: Subject) -> Check:
    """The rate has the schedule's value at each step."""
    if not subject.schedules:
        return NOT_ASKED
    ramp = schedules.CosineRamp(0.1, 0.7, ramp_steps=4, begin_step=1)
    layer = subject.make(rate=ramp, seed=1)
    x, seen = subject.data(), []
    for _ in range(7):
        seen.append(layer.rate)
        subject.call(layer, x, training=True)
    return Check(bool(np.allclose(seen, [ramp(step) for step in range(7)], rtol=1e-6, atol=1e-7)))


CHECKS = {
    "rates 0 and 1": ends,
    "shapes": hostile_shapes,
    "gradient": gradient,
    "save and go on": saving,
    "strip, freeze": stand_ins,
    "schedule": schedule,
}
