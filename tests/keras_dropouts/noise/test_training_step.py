"""A step is a training step: however often a layer is called in one, each mask is another."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd
from keras_dropouts import schedules
from subjects import SUBJECTS, Subject

BACKEND = keras.backend.backend()
ONES = np.ones((4, 6, 8), "float32")
TARGETS = np.zeros((4, 1), "float32")

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
RUNS = {
    "tensorflow": {
        "graph": {"jit_compile": False},
        "jit": {"jit_compile": True},
        "eager": {"run_eagerly": True, "jit_compile": False},
    },
    "jax": {"jit": {"jit_compile": True}, "eager": {"run_eagerly": True, "jit_compile": False}},
    "torch": {"eager": {"jit_compile": False}},
}[BACKEND]
every_run = pytest.mark.parametrize("run", RUNS)


class Often(keras.layers.Layer):
    """Calls a layer several times with one input, and returns all that it says."""

    def __init__(self, subject: Subject, layer: Any, times: int) -> None:
        super().__init__()
        self.subject, self.layer, self.times = subject, layer, times

    def call(self, inputs: Any, training: bool = False) -> Any:
        return [self.subject.call(self.layer, inputs, training=training) for _ in range(self.times)]


class Twice(keras.Model):
    """A model whose loss calls its body twice, as in consistency training."""

    def __init__(self, body: keras.Model) -> None:
        super().__init__()
        self.body = body

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.body(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
    ) -> Any:
        again = self.body(x, training=True)
        return ops.mean(ops.square(y_pred)) + ops.mean(ops.square(again))


class Cell(keras.layers.Layer):
    """A recurrent cell that adds what is left of its input to its state."""

    def __init__(self, dropout: Any) -> None:
        super().__init__()
        self.dropout, self.state_size = dropout, 64

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        kept = self.dropout(inputs, training=training)
        return kept, [states[0] + kept]


def _model(*body: Any, shape: tuple[int, ...] = (6, 8)) -> keras.Model:
    return keras.Sequential(
        [keras.Input(shape), layers.Dense(8), *body, layers.Flatten(), layers.Dense(1)]
    )


def _fit(model: keras.Model, run: str, epochs: int = 2, **kwargs: Any) -> None:
    options = {key: kwargs.pop(key) for key in ("steps_per_execution",) if key in kwargs}
    optimizer = keras.optimizers.SGD(1e-3, **kwargs)
    model.compile(optimizer, "mse", **RUNS[run], **options)
    model.fit(ONES, TARGETS, batch_size=2, epochs=epochs, verbose=0)


def _arrays(outputs: Any) -> list[np.ndarray]:
    return [ops.convert_to_numpy(each) for each in outputs]


def _all_differ(outputs: list[np.ndarray]) -> bool:
    return all(
        not np.array_equal(one, other) for i, one in enumerate(outputs) for other in outputs[:i]
    )


@every_subject
def test_calls_of_one_step_differ_and_count_once(subject: Subject) -> None:
    layer = subject.make(rate=0.5, seed=3)
    often, x = Often(subject, layer, 4), subject.data(64)
    steps = []
    for number in range(3):
        steps += _arrays(often(x, training=True))
        assert layer.step == number + 1
    assert _all_differ(steps)


@pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.schedules], ids=lambda subject: subject.name
)
def test_a_schedule_goes_by_steps(subject: Subject) -> None:
    layer = subject.make(rate=schedules.LinearRamp(0.0, 0.8, ramp_steps=20), seed=3)
    often, x = Often(subject, layer, 2), subject.data(2)
    for _ in range(20):
        often(x, training=True)
    assert layer.step == 20
    np.testing.assert_allclose(layer.rate, 0.8, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "subject",
    [each for each in SUBJECTS if each.schedules and each.wire("x") == ("x",)],
    ids=lambda subject: subject.name,
)
def test_time_distributed_counts_steps(subject: Subject) -> None:
    layer = subject.make(rate=0.5, seed=3)
    x = np.stack([subject.data(64)] * 3, axis=1)
    if subject.tokens:
        layer(x[:, 0])  # a layer for each time step would build it for floats
    distributed = layers.TimeDistributed(layer)
    for _ in range(10):
        outputs = ops.convert_to_numpy(distributed(x, training=True))
    assert layer.step == 10
    assert _all_differ([outputs[:, time] for time in range(3)])


@every_run
def test_fit_counts_steps_of_a_layer_that_is_used_often(run: str) -> None:
    shared = kd.ScheduledDropout(schedules.LinearRamp(0.0, 0.8, ramp_steps=8), seed=1)
    distributed = layers.TimeDistributed(kd.ScheduledDropout(0.5, seed=2))
    model = _model(shared, layers.Dense(8), shared, distributed)
    _fit(model, run)
    assert (shared.step, distributed.layer.step) == (4, 4)
    np.testing.assert_allclose(shared.rate, 0.4, rtol=1e-6, atol=0)


@every_run
def test_fit_counts_steps_of_a_model_that_is_called_twice_in_a_loss(run: str) -> None:
    first, second = kd.ScheduledDropout(0.5, seed=1), kd.ScheduledDropout(0.5, seed=2)
    model = Twice(
        keras.Sequential([keras.Input((6, 8)), first, layers.Dense(8), second, layers.Flatten()])
    )
    _fit(model, run)
    assert (first.step, second.step) == (4, 4)


@every_run
def test_a_minibatch_is_a_step_where_gradients_are_accumulated(run: str) -> None:
    shared = kd.ScheduledDropout(0.5, seed=1)
    _fit(_model(shared, shared), run, gradient_accumulation_steps=2)
    assert shared.step == 4


@pytest.mark.skipif(BACKEND == "torch", reason="Keras refuses it on PyTorch")
@every_run
def test_several_steps_of_one_execution(run: str) -> None:
    shared = kd.ScheduledDropout(0.5, seed=1)
    _fit(_model(shared, shared), run, steps_per_execution=2)
    assert shared.step == 4


@every_run
@pytest.mark.parametrize("unroll", [False, True])
def test_a_recurrent_cell_counts_steps(run: str, unroll: bool) -> None:
    dropout = kd.ScheduledDropout(0.5, seed=1)
    recurrent = layers.RNN(Cell(dropout), return_sequences=True, unroll=unroll)
    model = keras.Sequential(
        [keras.Input((6, 8)), layers.Dense(64), recurrent, layers.Flatten(), layers.Dense(1)]
    )
    _fit(model, run)
    assert dropout.step == 4


@pytest.mark.parametrize("compiled", [False, True])
def test_a_recurrent_cell_has_a_mask_for_each_time_step(compiled: bool) -> None:
    recurrent = layers.RNN(Cell(kd.ScheduledDropout(0.5, seed=1)), return_sequences=True)
    x = np.ones((2, 6, 64), "float32")
    call: Any = recurrent
    if compiled and BACKEND == "tensorflow":
        import tensorflow as tf

        recurrent.build(x.shape)
        call = tf.function(recurrent, jit_compile=True)
    elif BACKEND == "jax":  # whose loops do not tell their turns: one mask for all time steps
        recurrent.unroll = True
    outputs = ops.convert_to_numpy(call(x, training=True))
    assert _all_differ([outputs[:, time] for time in range(6)])


def test_a_train_step_by_hand() -> None:
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8), kd.ScheduledDropout(0.5, seed=1)])
    x = ops.ones((4, 8))
    pairs = [_two_calls_in_one_step(model, x) for _ in range(3)]
    assert model.layers[-1].step == 3
    assert _all_differ([mask for pair in pairs for mask in pair])


def _two_calls_in_one_step(model: keras.Model, x: Any) -> list[np.ndarray]:
    """Return the masks of the two calls that a training step by hand makes."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        if not hasattr(model, "step_by_hand"):
            model.step_by_hand = tf.function(
                lambda x: [model(x, training=True), model(x, training=True)]
            )
        return [each == 0.0 for each in _arrays(model.step_by_hand(x))]
    if BACKEND == "jax":
        import jax

        def loss(trained: Any, state: Any) -> Any:
            one, state = model.stateless_call(trained, state, x, training=True)
            two, state = model.stateless_call(trained, state, x, training=True)
            return ops.mean(one * two), (one, two, state)

        trained = [each.value for each in model.trainable_variables]
        state = [each.value for each in model.non_trainable_variables]
        _, (one, two, state) = jax.jit(jax.grad(loss, has_aux=True))(trained, state)
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return [each == 0.0 for each in _arrays([one, two])]
    with kd.training_step():
        one, two = model(x, training=True), model(x, training=True)
    ops.mean(one * two).backward()
    return [ops.convert_to_numpy(each.detach()) == 0.0 for each in (one, two)]


def test_outside_of_everything_each_outermost_call_is_a_step() -> None:
    layer, x = kd.ScheduledDropout(0.5, seed=1), np.ones((4, 64), "float32")
    alone = _arrays([layer(x, training=True) for _ in range(3)])
    assert layer.step == 3
    again = kd.ScheduledDropout(0.5, seed=1)
    with kd.training_step():
        one, two = _arrays([again(x, training=True) for _ in range(2)])
    np.testing.assert_array_equal(one, alone[0])
    assert again.step == 1
    assert _all_differ([*alone, two])
    np.testing.assert_array_equal(*_arrays([again(x, training=True), alone[1]]))


def test_a_training_step_within_another_is_a_part_of_it() -> None:
    layer, x = kd.ScheduledDropout(0.5, seed=1), np.ones((4, 64), "float32")
    with kd.training_step():
        with kd.training_step():
            layer(x, training=True)
        layer(x, training=True)
    assert layer.step == 1
    layer(x, training=True)
    assert layer.step == 2


@pytest.mark.skipif(BACKEND != "jax", reason="a pure function that makes several steps is JAX's")
@pytest.mark.parametrize("threaded", [True, False])
def test_pure_functions_on_jax(threaded: bool) -> None:
    import jax

    layer = kd.ScheduledDropout(0.5, seed=1)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8), layer])
    x = np.ones((4, 8), "float32")
    trained = [each.value for each in model.trainable_variables]
    start = [each.value for each in model.non_trainable_variables]
    where = [each.path for each in model.non_trainable_variables].index(layer._step.path)

    def loss(trained: Any, state: Any) -> Any:
        one, after = model.stateless_call(trained, state, x, training=True)
        handed = after if threaded else state
        two, after = model.stateless_call(trained, handed, x, training=True)
        return ops.mean(one * two), (one == 0.0, two == 0.0, after)

    def three_steps(trained: Any, state: Any) -> Any:
        masks = []
        for _ in range(3):
            _, (one, two, state) = jax.grad(loss, has_aux=True)(trained, state)
            masks += [one, two]
        return masks, state

    compiled, after = jax.jit(three_steps)(trained, start)
    assert int(after[where]) == 3
    assert _all_differ(_arrays(compiled))
    eager, after = three_steps(trained, start)
    assert int(after[where]) == 3
    for one, other in zip(_arrays(compiled), _arrays(eager), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has sizes that are not known")
def test_a_time_axis_of_unknown_length_has_a_mask_for_each_time_step() -> None:
    import tensorflow as tf

    dropout = kd.ScheduledDropout(0.5, seed=1)
    model = keras.Sequential([keras.Input((None, 64)), layers.TimeDistributed(dropout)])
    signature = [tf.TensorSpec((None, None, 64))]
    call = tf.function(lambda x: model(x, training=True), input_signature=signature)
    # As many time steps as rows: Keras's TimeDistributed confuses the two where it is traced.
    masks = [call(np.ones((4, 4, 64), "float32")).numpy() for _ in range(2)]
    assert dropout.step == 2
    assert _all_differ([mask[:, time] for mask in masks for time in range(4)])
