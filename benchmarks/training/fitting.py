"""Ways to train with `fit` and its kin that every backend has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from subject import BATCH, RATE, STEPS, Count, body, check, compiled, data, functional
from ways import Done, way

import keras_dropouts as kd

FIT = {"batch_size": BATCH, "verbose": 0}


def _fit(model: Any, epochs: int = 1, **arguments: Any) -> Any:
    x, y = data()
    model.fit(x, y, epochs=epochs, **{**FIT, **arguments})
    return model


def _plain(steps: int = STEPS, **arguments: Any) -> Callable[[], Done]:
    """Return a way that is `fit` with arguments of `compile`."""

    def run() -> Done:
        model = _fit(compiled(**arguments))
        return model, check(model, steps)

    return run


way("fit, as Keras chooses")(_plain())
way("fit, eager")(_plain(run_eagerly=True))
way("fit, jit_compile=True")(_plain(jit_compile=True))
way("fit, jit_compile=False")(_plain(jit_compile=False))
if keras.backend.backend() != "torch":  # on which Keras refuses more than one
    way("fit, steps_per_execution=2")(_plain(steps_per_execution=2))
way("gradient accumulation")(
    lambda: _plain(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=2))()
)
way("moving average of weights")(
    lambda: _plain(optimizer=keras.optimizers.SGD(1e-3, use_ema=True, ema_momentum=0.9))()
)
way("clipped gradients and weight decay")(
    lambda: _plain(optimizer=keras.optimizers.AdamW(1e-3, global_clipnorm=1.0))()
)
way("scaled loss")(
    lambda: _plain(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3)))()
)
way("a schedule of the learning rate")(
    lambda: _plain(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 10))
    )()
)


def _policy(name: str) -> Callable[[], Done]:
    def run() -> Done:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(name)
        try:
            model = _fit(compiled())
            return model, check(model, STEPS)
        finally:
            keras.config.set_dtype_policy(before)

    return run


way("mixed_float16")(_policy("mixed_float16"))
way("mixed_bfloat16")(_policy("mixed_bfloat16"))


@way("class weights")
def _class_weights() -> Done:
    x, y = data()
    model = compiled(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, (y[:, 0] > 1).astype("int32"), class_weight={0: 1.0, 1: 3.0}, **FIT)
    return model, check(model, STEPS)


@way("sample weights")
def _sample_weights() -> Done:
    x, y = data()
    model = compiled(weighted_metrics=["mae"])
    model.fit(x, y, sample_weight=np.linspace(0.0, 1.0, len(x)), **FIT)
    return model, check(model, STEPS)


@way("train_on_batch")
def _train_on_batch() -> Done:
    x, y = data()
    model = compiled()
    for _ in range(5):
        model.train_on_batch(x[:BATCH], y[:BATCH])
    return model, check(model, 5)


@way("validation after each epoch")
def _validation() -> Done:
    model = _fit(compiled(), epochs=2, validation_data=data(16), validation_freq=1)
    model.evaluate(*data(16), verbose=0)
    model.predict(data(16)[0], verbose=0)
    return model, check(model, 2 * STEPS)


@way("a last batch that is smaller")
def _smaller() -> Done:
    x, y = data(27)
    model = compiled()
    model.fit(x, y, epochs=2, **FIT)
    return model, check(model, 8)


@way("a dictionary of inputs, a list of outputs")
def _many() -> Done:
    inputs = {name: keras.Input((24,), name=name) for name in ("left", "right")}
    out = body(keras.layers.Concatenate()(list(inputs.values())))
    model = compiled(
        keras.Model(inputs, [out, out * 2.0]), loss=["mse", "mae"], loss_weights=[1, 2]
    )
    x, y = data()
    model.fit({"left": x[:, :24], "right": x[:, 24:]}, [y, y], **FIT)
    return model, check(model, STEPS)


@way("losses of layers")
def _losses() -> Done:
    x = keras.Input((48,))
    y = keras.layers.ActivityRegularization(l2=1e-3)(body(x))
    y = kd.ConcreteDropout(keras.layers.Dense(2), name="learned", data_size=512)(y)
    model = _fit(compiled(keras.Model(x, y)))
    assert model.get_layer("learned").step == STEPS
    return model, check(model, STEPS)


@way("a learned rate moves")
def _learned() -> Done:
    x = keras.Input((48,))
    y = kd.ConcreteDropout(keras.layers.Dense(48), rate=0.1, data_size=512, name="learned")(x)
    model = compiled(keras.Model(x, body(y)), optimizer=keras.optimizers.Adam(0.1))
    _fit(model, epochs=2)
    assert abs(model.get_layer("learned").rate - 0.1) > 1e-3
    return model, check(model, 2 * STEPS, rate=None)


@way("a schedule of the rate")
def _scheduled() -> Done:
    model = _fit(compiled(functional(kd.schedules.LinearRamp(0.0, 0.7, ramp_steps=7))), epochs=2)
    return model, check(model, 2 * STEPS, rate=0.35)


@way("a rate that is set between epochs")
def _set() -> Done:
    model = _fit(compiled())
    model.get_layer("drop").rate = 0.75
    _fit(model)
    return model, check(model, 2 * STEPS, rate=0.5)


@way("callbacks that set and log rates")
def _callbacks() -> Done:
    model = compiled()
    halves = kd.RateScheduler(lambda epoch: 0.5 / (epoch + 1), layers=["drop"])
    history = model.fit(*data(), epochs=2, callbacks=[halves, kd.RateLogger()], **FIT)
    assert history.history["rate/drop"] == [0.5, 0.25]
    return model, check(model, 2 * STEPS, rate=0.375)


@way("early stopping that restores weights")
def _early() -> Done:
    model = compiled(optimizer=keras.optimizers.SGD(0.0))
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100.0)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1)
    ended = keras.callbacks.TerminateOnNaN()
    history = model.fit(*data(), epochs=9, callbacks=[stop, plateau, ended], **FIT)
    return model, check(model, STEPS * len(history.epoch))


@way("a nested model")
def _nested() -> Done:
    inner = functional()
    x = keras.Input((48,))
    model = _fit(compiled(keras.Model(x, keras.layers.Dense(2)(inner(x)))))
    return model, check(model, STEPS)


@way("a layer that is called twice in a step")
def _twice() -> Done:
    drop, count = kd.ScheduledDropout(RATE, name="drop"), Count()
    x = keras.Input((48,))
    y = keras.layers.Dense(2)(count(drop(x)) + count(drop(x)))
    model = _fit(compiled(keras.Model(x, y)))
    return model, check(model, STEPS, calls=2 * STEPS)


@way("TimeDistributed: a layer that is called for each time step")
def _time_distributed() -> Done:
    inner = keras.Sequential([kd.ScheduledDropout(RATE, name="drop"), Count()])
    x = keras.Input((48,))
    y = keras.layers.TimeDistributed(inner)(keras.layers.Reshape((3, 16))(x))
    model = _fit(compiled(keras.Model(x, keras.layers.Dense(2)(keras.layers.Flatten()(y)))))
    return model, check(model, STEPS, calls=3 * STEPS)


@way("frozen weights around the dropout")
def _frozen() -> Done:
    model = functional()
    model.get_layer("hidden").trainable = False
    _fit(compiled(model))
    return model, check(model, STEPS)


@way("compiled again between epochs")
def _again() -> Done:
    model = _fit(compiled())
    _fit(compiled(model, optimizer=keras.optimizers.SGD(1e-4)))
    return model, check(model, 2 * STEPS)


@way("R-Drop")
def _r_drop() -> Done:
    model = functional()
    twin = kd.RDrop(model, alpha=1.0, from_logits=True)
    twin.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = data()
    twin.fit(x, (y[:, 0] > 1).astype("int32"), **FIT)
    return model, check(model, STEPS, rate=RATE)
