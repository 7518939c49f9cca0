"""Gradients with recomputation are those without it, for each layer, and count no further step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from subjects import SUBJECTS, Subject

BACKEND = keras.backend.backend()
RATE = 0.5

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)


def _ways() -> dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]]:
    """Return what makes a function that is computed again in the backward pass, by name.

    `keras.remat` is `tf.recompute_grad` on TensorFlow and `jax.checkpoint` on JAX.
    """
    ways: dict[str, Any] = {"keras.remat": keras.remat}
    if BACKEND == "torch":
        from torch.utils.checkpoint import checkpoint

        for reentrant in (True, False):
            for keep in (True, False):
                ways[f"checkpoint, use_reentrant={reentrant}, preserve_rng_state={keep}"] = (
                    lambda f, reentrant=reentrant, keep=keep: (
                        lambda x: checkpoint(f, x, use_reentrant=reentrant, preserve_rng_state=keep)
                    )
                )
    return ways


WAYS = _ways()


class Net(keras.Model):
    """Has weights before and behind a layer that it calls in some blocks, several times in each.

    way: what makes a function that is computed again in the backward pass, None for none.
    """

    def __init__(
        self, subject: Subject, layer: Any, way: Any, blocks: int = 1, times: int = 1
    ) -> None:
        super().__init__()
        self.subject, self.layer, self.way, self.times = subject, layer, way, times
        self.before = None if subject.tokens else keras.layers.Dense(subject.shape[-1])
        self.behind = [keras.layers.Dense(2, activation="tanh") for _ in range(blocks)]

    def call(self, inputs: Any, training: bool = False) -> Any:
        def made() -> Any:
            def block(x: Any) -> Any:
                called = [
                    self.subject.call(self.layer, x, training=training) for _ in range(self.times)
                ]
                return sum(called[1:], start=called[0])

            return block if self.way is None or not training else self.way(block)

        again = made()
        x = inputs if self.before is None else self.before(inputs)
        # JAX traces a function under `jax.checkpoint` once and takes that for all of its calls, so
        # each block has a function of its own there.
        return [dense((made() if BACKEND == "jax" else again)(x)) for dense in self.behind]


def _model(subject: Subject, way: Any, scope: Any = None, **how: int) -> tuple[Any, Any]:
    """Return a built model and the layer that it tests, which is made inside `scope`."""
    with scope or contextlib.nullcontext():
        layer = subject.make(rate=RATE, seed=11, name="subject")
    model = Net(subject, layer, way, **how)
    model(subject.data())
    return model, layer


def _loss(outputs: Any) -> Any:
    return sum((ops.mean(ops.square(each)) for each in outputs), start=0.0)


def _gradients(model: keras.Model, x: Any, compiled: bool = False) -> list[np.ndarray]:
    """Return the gradients of one step, taken as a user of the backend takes them."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def step(x: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = _loss(model(x, training=True))
            return tape.gradient(loss, [each.value for each in model.trainable_variables])

        step = tf.function(step, jit_compile=True) if compiled else step
        gradients = step(tf.convert_to_tensor(x))
    elif BACKEND == "jax":
        import jax

        def loss(trained: Any, state: Any, x: Any) -> Any:
            outputs, state = model.stateless_call(trained, state, x, training=True)
            return _loss(outputs), state

        step = jax.grad(loss, has_aux=True)
        trained = [each.value for each in model.trainable_variables]
        state = [each.value for each in model.non_trainable_variables]
        gradients, state = jax.jit(step)(trained, state, x)
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
    else:
        model.zero_grad()
        _loss(model(x, training=True)).backward()
        gradients = [each.value.grad for each in model.trainable_variables]
    return [
        np.zeros(variable.shape, "float32") if each is None else ops.convert_to_numpy(each)
        for each, variable in zip(gradients, model.trainable_variables, strict=True)
    ]


def _skip_tokens(subject: Subject, way: str) -> None:
    if subject.tokens and "use_reentrant=True" in way:
        pytest.skip("PyTorch takes no gradient of this kind where no input has one")


def _compare(
    subject: Subject, way: Any, steps: int = 2, compiled: bool = False, **how: int
) -> None:
    (plain, one), (again, other) = _model(subject, None, **how), _model(subject, way, **how)
    again.set_weights(plain.get_weights())
    x = subject.data()
    largest = 0.0
    for _ in range(steps):
        expected, found = _gradients(plain, x, compiled), _gradients(again, x, compiled)
        assert any(each.any() for each in expected)
        for mine, theirs in zip(found, expected, strict=True):
            largest = max(largest, float(np.abs(mine - theirs).max()))
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6, err_msg=str(largest))
    assert one.step == other.step == steps


@pytest.mark.parametrize("way", WAYS)
@every_subject
def test_gradients_with_recomputation_are_those_without_it(subject: Subject, way: str) -> None:
    _skip_tokens(subject, way)
    _compare(subject, WAYS[way])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["ScheduledDropout", "DropBlock2D", "DropConnect", "DropKey"])
def test_a_shared_layer_draws_each_of_its_masks_again(name: str, way: str) -> None:
    subject = next(each for each in SUBJECTS if each.name == name)
    _compare(subject, WAYS[way], blocks=3, times=2)


@pytest.mark.parametrize("way", WAYS)
def test_a_recomputation_inside_a_recomputation(way: str) -> None:
    make = WAYS[way]
    _compare(SUBJECTS[0], lambda f: make(lambda x: make(f)(x)), blocks=2, times=2)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="on JAX the others are compiled")
@pytest.mark.slow
@every_subject
def test_compiled_gradients_with_recomputation_are_those_without_it(subject: Subject) -> None:
    _compare(subject, keras.remat, compiled=True)


@pytest.mark.skipif(BACKEND == "jax", reason="RematScope fails on JAX without any dropout")
@every_subject
def test_a_remat_scope(subject: Subject) -> None:
    plain, one = _model(subject, None)
    again, other = _model(subject, None, keras.RematScope("full"))
    again.set_weights(plain.get_weights())
    x = subject.data()
    for _ in range(2):
        for mine, theirs in zip(_gradients(again, x), _gradients(plain, x), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    assert one.step == other.step == 2


def test_a_second_backward_pass_draws_the_same_again() -> None:
    if BACKEND == "jax":
        pytest.skip("JAX computes what it traced as often as it likes")
    x = np.ones((4, 8), "float32")
    layer = kd.ScheduledDropout(0.5, seed=3)
    layer(x)

    def twice(x: Any) -> Any:
        return layer(layer(x, training=True) * 3.0, training=True)

    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = tf.recompute_grad(twice)(x)
        gradients = [tape.gradient(y, x) for _ in range(2)]
    else:
        import torch
        from torch.utils.checkpoint import checkpoint

        x = torch.tensor(x, requires_grad=True)
        y = checkpoint(twice, x, use_reentrant=False)
        gradients = [torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for _ in range(2)]
    y = ops.convert_to_numpy(y)
    for gradient in gradients:
        np.testing.assert_array_equal(ops.convert_to_numpy(gradient), y)
