"""Tests that two layers with one seed draw different masks, the same ones in each way to run."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd


def _model() -> keras.Model:
    """Return a model whose layers, some of them nested, all have one seed."""
    inner = keras.Sequential(
        [keras.Input((64,)), kd.ScheduledDropout(0.5, seed=7), kd.ScheduledDropout(0.5, seed=7)]
    )
    inputs = keras.Input((64,))
    first = kd.ScheduledDropout(0.5, seed=7)(inputs)
    second = layers.BatchNormalization(trainable=False)(kd.ScheduledDropout(0.5, seed=7)(inputs))
    third = kd.ConcreteDropout(
        layers.Dense(64, kernel_initializer="identity"), 0.5, seed=7, data_size=9
    )(inputs)
    return keras.Model(inputs, [first, second, third, inner(inputs)])


def _masks(outputs: list) -> list[np.ndarray]:
    return [ops.convert_to_numpy(each) > 0.5 for each in outputs]


def test_a_pure_call_draws_what_an_eager_one_does() -> None:
    model, x = _model(), np.ones((8, 64), "float32")
    trained = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in model.non_trainable_variables]
    pure, _ = model.stateless_call(trained, state, x, training=True)
    eager = model(x, training=True)
    for one, other in zip(_masks(pure), _masks(eager), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_with_one_seed_differ() -> None:
    masks = _masks(_model()(np.ones((8, 64), "float32"), training=True))
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert not np.array_equal(one, other)


def test_a_layer_alone_is_the_first_of_its_model() -> None:
    x = np.ones((8, 64), "float32")
    alone = kd.ScheduledDropout(0.5, seed=7)(x, training=True)
    model = keras.Sequential([keras.Input((64,)), kd.ScheduledDropout(0.5, seed=7)])
    np.testing.assert_array_equal(*_masks([alone, model(x, training=True)]))
