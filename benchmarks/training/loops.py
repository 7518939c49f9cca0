"""Ways to train by loops of one's own, and over devices: what each backend has for it."""

from __future__ import annotations

from typing import Any

import keras
from fitting import FIT
from subject import BATCH, STEPS, check, compiled, data, functional
from ways import Done, way


def _batches() -> list[Any]:
    x, y = data()
    return [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, len(x), BATCH)]


def _of_tensorflow() -> None:
    import tensorflow as tf

    def loop(wrap: Any) -> Done:
        model, optimizer = functional(), keras.optimizers.SGD(1e-3)
        optimizer.build(model.trainable_variables)

        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        run = wrap(step)
        for x, y in _batches():
            run(tf.constant(x), tf.constant(y))
        return model, check(model, STEPS)

    way("a loop with GradientTape, eager")(lambda: loop(lambda step: step))
    way("a loop with GradientTape, tf.function")(lambda: loop(tf.function))
    way("a loop with GradientTape, XLA")(lambda: loop(tf.function(jit_compile=True).__call__))

    @way("a loop inside a graph")
    def _inside() -> Done:
        model, optimizer = functional(), keras.optimizers.SGD(1e-3)
        optimizer.build(model.trainable_variables)
        batches = tf.data.Dataset.from_tensor_slices(data()).batch(BATCH)

        @tf.function
        def run() -> None:
            for x, y in batches:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        run()
        return model, check(model, STEPS)

    class Own(keras.Model):
        def train_step(self, given: Any) -> Any:
            x, y = given
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            variables = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss}

    way("a train_step of one's own")(lambda: _fitted(Own))

    def under(strategy: Any) -> Done:
        with strategy.scope():
            model = compiled()
        model.fit(*data(), **FIT)
        return model, check(model, STEPS)

    way("OneDeviceStrategy")(lambda: under(tf.distribute.OneDeviceStrategy("/cpu:0")))
    way("MirroredStrategy of one device")(lambda: under(tf.distribute.MirroredStrategy(["CPU:0"])))


def _fitted(cls: Any) -> Done:
    model = compiled(functional(cls=cls))
    model.fit(*data(), **FIT)
    return model, check(model, STEPS)


def _of_jax() -> None:
    import jax

    def losses(model: Any) -> Any:
        def loss(trained: Any, state: Any, x: Any, y: Any) -> Any:
            out, state = model.stateless_call(trained, state, x, training=True)
            return ((out - y) ** 2).mean(), state

        return loss

    def states(model: Any) -> tuple[Any, Any]:
        return (
            [each.value for each in model.trainable_variables],
            [each.value for each in model.non_trainable_variables],
        )

    def put_back(model: Any, trained: Any, state: Any) -> Done:
        for variables, values in (
            (model.trainable_variables, trained),
            (model.non_trainable_variables, state),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return model, check(model, STEPS)

    def loop(wrap: Any, around: Any = lambda loss: loss) -> Done:
        model = functional()
        slope = jax.value_and_grad(around(losses(model)), has_aux=True)

        def step(trained: Any, state: Any, x: Any, y: Any) -> Any:
            (_, state), slopes = slope(trained, state, x, y)
            return [w - 1e-3 * d for w, d in zip(trained, slopes, strict=True)], state

        run = wrap(step)
        trained, state = states(model)
        for x, y in _batches():
            trained, state = run(trained, state, x, y)
        return put_back(model, trained, state)

    way("a stateless loop, eager")(lambda: loop(lambda step: step))
    way("a stateless loop, jit")(lambda: loop(jax.jit))
    way("a stateless loop, jit with donated state")(
        lambda: loop(lambda step: jax.jit(step, donate_argnums=(0, 1)))
    )
    way("a stateless loop, jax.checkpoint")(lambda: loop(jax.jit, jax.checkpoint))

    @way("a stateless loop inside lax.scan")
    def _scan() -> Done:
        model = functional()
        slope = jax.grad(losses(model), has_aux=True)
        x, y = (each.reshape(STEPS, BATCH, -1) for each in data())

        def step(carry: Any, batch: Any) -> Any:
            trained, state = carry
            slopes, state = slope(trained, state, *batch)
            return ([w - 1e-3 * d for w, d in zip(trained, slopes, strict=True)], state), 0.0

        (trained, state), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, (x, y)))(
            states(model)
        )
        return put_back(model, trained, state)

    @way("a stateless loop with an optimizer of Keras")
    def _optimizer() -> Done:
        model, optimizer = functional(), keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        slope = jax.grad(losses(model), has_aux=True)

        @jax.jit
        def step(trained: Any, state: Any, moments: Any, x: Any, y: Any) -> Any:
            slopes, state = slope(trained, state, x, y)
            trained, moments = optimizer.stateless_apply(moments, slopes, trained)
            return trained, state, moments

        (trained, state), moments = states(model), [each.value for each in optimizer.variables]
        for x, y in _batches():
            trained, state, moments = step(trained, state, moments, x, y)
        return put_back(model, trained, state)

    @way("DataParallel of one device")
    def _parallel() -> Done:
        devices = keras.distribution.list_devices("cpu")[:1]
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
        try:
            return _fitted(keras.Model)
        finally:
            keras.distribution.set_distribution(None)


def _of_torch() -> None:
    import torch

    def loop(wrap: Any = lambda model: model, cast: Any = None, clip: bool = False) -> Done:
        model = functional()
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        run = wrap(model)
        for x, y in _batches():
            optimizer.zero_grad()
            with torch.autocast("cpu", cast, enabled=cast is not None):
                out = run(torch.tensor(x), training=True)
            ((out.float() - torch.tensor(y)) ** 2).mean().backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return model, check(model, STEPS)

    way("a loop of PyTorch")(loop)
    way("a loop of PyTorch, clipped gradients")(lambda: loop(clip=True))
    way("a loop of PyTorch, autocast to bfloat16")(lambda: loop(cast=torch.bfloat16))
    way("a loop of PyTorch, torch.compile (aot_eager)")(
        lambda: loop(lambda model: torch.compile(model, backend="aot_eager"))
    )

    @way("a loop of PyTorch, gradients of two batches together")
    def _accumulated() -> Done:
        model = functional()
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        for i, (x, y) in enumerate(_batches()):
            ((model(torch.tensor(x), training=True) - torch.tensor(y)) ** 2).mean().backward()
            if i % 2:
                optimizer.step()
                optimizer.zero_grad()
        return model, check(model, STEPS)

    @way("a Keras model inside a module of PyTorch")
    def _module() -> Done:
        model = functional()
        module = torch.nn.Sequential(torch.nn.Identity(), model).train()
        optimizer = torch.optim.SGD(module.parameters(), 1e-3)
        for x, y in _batches():
            optimizer.zero_grad()
            (
                (model(module[0](torch.tensor(x)), training=True) - torch.tensor(y)) ** 2
            ).mean().backward()
            optimizer.step()
        return model, check(model, STEPS)

    class Own(keras.Model):
        def train_step(self, given: Any) -> Any:
            x, y = given
            self.zero_grad()
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            loss.backward()
            trained = list(self.trainable_weights)
            with torch.no_grad():
                self.optimizer.apply([v.value.grad for v in trained], trained)
            return {"loss": loss}

    way("a train_step of one's own")(lambda: _fitted(Own))


{"tensorflow": _of_tensorflow, "jax": _of_jax, "torch": _of_torch}[keras.backend.backend()]()
