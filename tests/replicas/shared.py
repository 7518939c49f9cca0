"""Makes the model that the replica programs train, and checks what must hold for it afterwards."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import keras_dropouts as kd

UNITS = 64


def model() -> keras.Model:
    """Return a compiled model with one dropout of each way of drawing."""
    keras.utils.set_random_seed(0)
    ramp = kd.schedules.LinearRamp(0.0, 0.8, ramp_steps=8)
    made = keras.Sequential(
        [
            keras.Input((UNITS,)),
            kd.ScheduledDropout(ramp, name="ramp"),
            kd.ConcreteDropout(keras.layers.Dense(8), name="learned", data_size=64),
            kd.GaussianDropout(0.2, name="noise"),
            kd.DropConnect(keras.layers.Dense(1), 0.3, name="connect"),
        ]
    )
    made.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
    return made


def data(rows: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, UNITS)).astype("float32")
    return x, x[:, :1]


def check_state(trained: Any, steps: int) -> None:
    """Check that each layer counted the steps once and that the schedule has its value."""
    for name in ("ramp", "learned", "noise", "connect"):
        assert trained.get_layer(name).step == steps, (name, trained.get_layer(name).step)
    rate = min(0.1 * steps, 0.8)
    np.testing.assert_allclose(trained.get_layer("ramp").rate, rate, rtol=1e-6)


def check_saved(trained: Any, path: str, steps: int) -> None:
    """Check that the saved model goes on where this one stands."""
    trained.save(path)
    again = keras.saving.load_model(path)
    check_state(again, steps)
    for ours, theirs in zip(again.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
