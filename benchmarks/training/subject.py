"""The model that is trained in every way, and what must hold of it afterwards.

A layer behind the dropout counts what was dropped, so that a way that never drew, drew another
rate, or drew the same mask twice is found out.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_dropouts as kd
import keras_dropouts_export as kde

WIDTH, RATE, ROWS, BATCH = 48, 0.25, 32, 8
STEPS = ROWS // BATCH  # of one epoch


@keras.saving.register_keras_serializable("training_ways")
class Count(keras.layers.Layer):
    """Counts, in training, values, those that are zero, calls, and rows dropped as last time."""

    def build(self, shape: Any) -> None:
        def variable(shape: tuple[int, ...], name: str) -> Any:
            return self.add_weight(
                shape=shape, initializer="zeros", trainable=False, name=name, dtype="float32",
                autocast=False, aggregation="only_first_replica",
            )  # fmt: skip

        self.counts = variable((4,), "counts")
        self.last = variable((shape[-1],), "last")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            gone = ops.cast(ops.equal(ops.stop_gradient(inputs), 0), "float32")
            size = ops.cast(ops.size(gone), "float32")
            row = gone[0] + 1.0
            same = ops.cast(ops.all(ops.equal(row, self.last)), "float32")
            self.counts.assign_add(ops.stack([size, ops.sum(gone), ops.ones_like(same), same]))
            self.last.assign(row)
        return inputs


def data(rows: int = ROWS, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """Return inputs with no zero, and targets."""
    random = np.random.default_rng(0)
    x = random.uniform(0.5, 1.5, (rows, WIDTH)).astype(dtype)
    return x, x[:, :2]


def body(x: Any, rate: Any = RATE) -> Any:
    """Return what is dropped, counted and used of a tensor."""
    x = kd.ScheduledDropout(rate, seed=3, name="drop")(x)
    x = keras.layers.Dense(16, activation="relu", name="hidden")(Count(name="count")(x))
    x = kd.SpatialDropout(0.2, name="spatial")(keras.layers.Reshape((4, 4))(x))
    return keras.layers.Dense(2, name="out", dtype="float32")(keras.layers.Flatten()(x))


def functional(rate: Any = RATE, cls: Any = keras.Model) -> Any:
    """Return a Functional model of the body."""
    x = keras.Input((WIDTH,), name="x")
    return cls(x, body(x, rate))


def compiled(model: Any = None, **arguments: Any) -> Any:
    """Return a compiled model; the defaults are Adam and the mean squared error."""
    model = functional() if model is None else model
    model.compile(**{"optimizer": keras.optimizers.Adam(1e-3), "loss": "mse", **arguments})
    return model


def layer_of(model: Any, kind: type) -> Any:
    """Return the first layer of a class, however deep in a model."""
    return next(each for each in model._flatten_layers() if isinstance(each, kind))


def check(model: Any, steps: int, rate: float | None = RATE, calls: int | None = None) -> str:
    """Raise unless masks were drawn as they should be; return what was counted.

    steps: how many training steps there were; rate: the mean rate over them, None where it is not
    to be compared; calls: of the layer, where that is another number.
    """
    drop, count = layer_of(model, kd.ScheduledDropout), layer_of(model, Count)
    size, gone, called, same = (float(each) for each in ops.convert_to_numpy(count.counts))
    assert drop.step == steps, f"the layer counted {drop.step} steps, there were {steps}"
    assert called == (steps if calls is None else calls), f"called {called} times in {steps} steps"
    assert size > 0, "nothing was counted"
    assert same == 0, f"{same:.0f} of {called:.0f} calls repeated a mask"
    found = gone / size
    if rate is not None:
        bound = 5 * math.sqrt(rate * (1 - rate) / size) + 1e-6  # 5 standard deviations
        assert abs(found - rate) < bound, f"dropped {found:.4f} instead of {rate:.4f}"
    return f"{steps} steps, rate {found:.3f}"


def check_stripped(model: Any, inputs: Any) -> None:
    """Raise unless the stripped model is the trained one at inference, and draws nothing."""
    new = kde.strip_dropout(model)
    assert not any(source.rate for source in kd.inspect_dropout(new))
    for one, two in zip(_flat(new(inputs)), _flat(model(inputs, training=False)), strict=True):
        atol = 32 * np.finfo(two.dtype).eps * float(np.abs(two).max())
        np.testing.assert_allclose(one, two, atol=atol, rtol=0.0)


def _flat(outputs: Any) -> list[np.ndarray]:
    return [ops.convert_to_numpy(x) for x in keras.tree.flatten(outputs)]


def saved_and_loaded(model: Any) -> Any:
    """Return a model from the file that another was saved in."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return keras.saving.load_model(path)


def same_weights(one: Any, two: Any) -> None:
    """Raise unless two models have the same weights, to the last bit."""
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
