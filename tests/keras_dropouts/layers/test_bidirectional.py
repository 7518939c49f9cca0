"""VariationalRNN and Zoneout inside Keras's Bidirectional and around it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd

WRAPPERS = [kd.VariationalRNN, kd.Zoneout]
X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")


def recurrent(kind: str = "LSTM", **kwargs: Any) -> Any:
    return getattr(layers, kind)(5, **kwargs)


def explicit(wrapper: Any, rate: float, **kwargs: Any) -> Any:
    backward = wrapper(recurrent(go_backwards=True, **kwargs), rate, seed=1)
    forward = wrapper(recurrent(**kwargs), rate, seed=1)
    return layers.Bidirectional(forward, backward_layer=backward, name="both")


def inside(wrapper: Any, rate: float, **kwargs: Any) -> Any:
    return layers.Bidirectional(wrapper(recurrent(**kwargs), rate, seed=1), name="both")


def around(wrapper: Any, rate: float, **kwargs: Any) -> Any:
    return wrapper(layers.Bidirectional(recurrent(**kwargs)), rate, seed=1, name="both")


WAYS = [inside, explicit, around]


def run(layer: Any, x: Any, **kwargs: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_numpy, layer(x, **kwargs))


def same_weights(layer: Any, **kwargs: Any) -> Any:
    """Return a plain Bidirectional with the recurrent weights of a layer."""
    plain = layers.Bidirectional(recurrent(**kwargs))
    plain.build(X.shape)
    plain.set_weights([ops.convert_to_numpy(weight) for weight in layer.trainable_weights])
    return plain


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    ("way", "kind"), [(inside, "LSTM"), (explicit, "GRU"), (around, "SimpleRNN"), (around, "LSTM")]
)
def test_at_rate_0_it_is_the_plain_layer(wrapper: Any, way: Any, kind: str) -> None:
    layer = way(wrapper, 0.0, kind=kind, return_sequences=True)
    mask = np.arange(6) < np.array([[6], [4], [1], [3]])
    y = run(layer, X, mask=mask, training=True)
    plain = run(same_weights(layer, kind=kind, return_sequences=True), X, mask=mask)
    np.testing.assert_allclose(y, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_each_direction_has_a_mask_of_its_own_for_its_state(way: Any) -> None:
    def counter(*args: Any, **kwargs: Any) -> Any:
        return layers.SimpleRNN(
            64,
            activation=None,
            kernel_initializer="ones",
            recurrent_initializer="identity",
            return_sequences=True,
            **kwargs,
        )

    ones, rate = np.ones((2, 3, 1), "float32"), 0.5
    arguments = {"rate": 0.0, "recurrent_rate": rate, "seed": 1}
    if way is around:
        layer = kd.VariationalRNN(layers.Bidirectional(counter()), **arguments)
    else:
        backward = kd.VariationalRNN(counter(go_backwards=True), **arguments)
        given = {"backward_layer": backward} if way is explicit else {}
        layer = layers.Bidirectional(kd.VariationalRNN(counter(), **arguments), **given)
    y = run(layer, ones, training=True)
    # h_t = 1 + m * h_(t-1): a unit whose mask is 0 stays at 1, the others double and add 1.
    forward, backward = y[:, :, :64], y[:, ::-1, 64:]
    for one in (forward, backward):
        kept = one[:, 1] > 1
        doubling = np.array([1, 3, 7], "float32")[:, None]
        np.testing.assert_array_equal(one, np.where(kept[:, None], doubling, 1.0))
        assert 0.3 < kept.mean() < 0.7
    differ = np.mean(forward != backward)
    assert differ > 0.2, differ


def test_both_directions_share_the_mask_of_the_input_of_a_wrapper() -> None:
    arguments = {"kernel_initializer": "ones", "recurrent_initializer": "zeros", "activation": None}
    rnn = layers.Bidirectional(layers.SimpleRNN(1, return_sequences=True, **arguments))
    layer = kd.VariationalRNN(rnn, 0.5, recurrent_rate=0.0, seed=2)
    y = run(layer, np.ones((64, 3, 1), "float32"), training=True)
    np.testing.assert_array_equal(np.unique(y), [0.0, 2.0])
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))


def test_zoneout_draws_for_each_direction() -> None:
    def rnn(**kwargs: Any) -> Any:
        arguments = {"kernel_initializer": "ones", "recurrent_initializer": "identity"}
        return layers.SimpleRNN(32, activation=None, return_sequences=True, **arguments, **kwargs)

    ones = np.ones((20, 6, 1), "float32")
    for layer in (
        layers.Bidirectional(kd.Zoneout(rnn(), 0.25, seed=1)),
        kd.Zoneout(layers.Bidirectional(rnn()), 0.25, seed=1),
    ):
        y = run(layer, ones, training=True)
        halves = y[:, :, :32], y[:, ::-1, 32:]
        moved = [np.diff(half, axis=1, prepend=0.0) for half in halves]
        for steps in moved:
            np.testing.assert_array_equal(np.unique(steps), [0.0, 1.0])
            assert abs(1 - steps.mean() - 0.25) < 5 * np.sqrt(0.1875 / steps.size)
        correlation = np.corrcoef(moved[0].ravel(), moved[1].ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(moved[0].size), correlation


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("way", WAYS)
def test_it_trains_saves_and_loads(wrapper: Any, way: Any, tmp_path: Any) -> None:
    rnn = way(wrapper, 0.4, return_sequences=True)
    head = [layers.GlobalAveragePooling1D(), layers.Dense(1)]
    model = keras.Sequential([keras.Input((None, 3)), layers.Masking(), rnn, *head])
    model.compile("sgd", "mse")
    data = X.copy()
    data[0, 3:] = 0.0
    model.fit(data, np.ones((4, 1)), verbose=0)
    steps = [part.step for part in model._flatten_layers() if isinstance(part, wrapper)]
    assert all(step > 0 for step in steps)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(run(loaded, data), run(model, data))
    np.testing.assert_array_equal(run(loaded, data, training=True), run(model, data, training=True))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(("way", "merge_mode"), [(inside, None), (inside, "sum"), (around, None)])
def test_states_and_modes_pass(wrapper: Any, way: Any, merge_mode: Any) -> None:
    def made(rate: float) -> Any:
        rnn = recurrent(return_sequences=True, return_state=True)
        if way is around:
            return wrapper(layers.Bidirectional(rnn, merge_mode=merge_mode), rate)
        return layers.Bidirectional(wrapper(rnn, rate), merge_mode=merge_mode)

    state = [np.full((4, 5), value, "float32") for value in (0.1, 0.2, 0.3, 0.4)]
    layer = made(0.0)
    plain = layers.Bidirectional(
        recurrent(return_sequences=True, return_state=True), merge_mode=merge_mode
    )
    plain.build(X.shape)
    layer.build(X.shape)
    plain.set_weights([ops.convert_to_numpy(weight) for weight in layer.trainable_weights])
    for training in (True, False):
        ours = run(layer, X, initial_state=state, training=training)
        theirs = run(plain, X, initial_state=state)
        for one, two in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("way", [inside, around])
def test_the_directions_are_seen_by_surgery_and_by_sampling(wrapper: Any, way: Any) -> None:
    model = keras.Sequential([keras.Input((6, 3)), way(wrapper, 0.3), layers.Dense(1)])
    rates = [row.rate for row in kd.inspect_dropout(model) if row.layer == wrapper.__name__]
    assert rates == [0.3] * (1 if way is around else 2)
    drawn, again = (kd.mc_predict(model, X, samples=5, seed=1) for _ in range(2))
    assert (drawn.std > 0).all()
    np.testing.assert_array_equal(drawn.samples, again.samples)
    copy = kd.replace_dropout(model, lambda layer: None)
    np.testing.assert_array_equal(run(copy, X), run(model, X))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_it_cannot_wrap(wrapper: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected a layer with dropout=0"):
        wrapper(layers.Bidirectional(recurrent(dropout=0.1)), 0.5)
    with pytest.raises(ValueError, match=r"a layer with one of these cells: LSTMCell"):
        wrapper(layers.Bidirectional(wrapper(recurrent(), 0.5)), 0.5)
