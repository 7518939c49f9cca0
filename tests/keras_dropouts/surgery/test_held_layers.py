"""Dropout layers in attributes of any kind: lists, tuples, sets and dicts with keys of any kind."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
from keras_dropouts.surgery.held_layers import layers_in, swapped


class Pair(NamedTuple):
    first: Any
    second: Any


class Key:
    """A key that has no order."""


def in_dict(layer: Any) -> Any:
    return {Key(): layer, Key(): 3, "name": None}


def in_pair(layer: Any) -> Any:
    return Pair([layer], "text")


@keras.saving.register_keras_serializable("held_layers")
class Holder(layers.Layer):
    """A layer that holds dropout in an attribute and calls it."""

    def __init__(self, hold: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = layers.Dropout(0.5)
        self.held = (hold or in_dict)(self.dropout)
        self.others = {self: 1, Key(): 2}

    def call(self, x: Any, training: Any = None) -> Any:
        (dropout,) = layers_in(self.held)
        return dropout(x, training=training)


def containers(layer: Any) -> list[Any]:
    return [
        layer,
        [layer],
        (1, layer),
        {layer},
        in_dict(layer),
        in_pair(layer),
        [[{"a": (layer,)}]],
    ]


def test_layers_are_found_and_swapped_in_every_container() -> None:
    old, new = layers.Dropout(0.5), kd.ScheduledDropout(0.1)
    for value in containers(old):
        assert layers_in(value) == [old]
        made = swapped(value, {id(old): new})
        assert layers_in(made) == [new]
        assert type(made) is type(value) or value is old
        assert layers_in(value) == [old]


def test_what_holds_nothing_to_swap_stays_the_same_object() -> None:
    value = {"rates": [0.1, 0.2], "kept": layers.Dropout(0.5)}
    assert swapped(value, {}) is value


def test_the_order_and_the_keys_of_a_dict_stay() -> None:
    old, keys = layers.Dropout(0.5), [Key(), "b", "a", 3]
    made = swapped(dict.fromkeys(keys, old), {id(old): kd.ScheduledDropout(0.1)})
    assert list(made) == keys


@pytest.mark.parametrize("hold", [in_dict, in_pair])
def test_dropout_is_replaced_beside_keys_without_order(hold: Any) -> None:
    model = keras.Sequential([keras.Input((32,)), Holder(hold, name="holder")])
    x = np.ones((64, 32), "float32")
    replaced = kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(0.25))
    (dropout,) = layers_in(replaced.get_layer("holder").held)
    assert isinstance(dropout, kd.ScheduledDropout)
    dropped = keras.ops.convert_to_numpy(replaced(x, training=True)) == 0
    bound = 5 * (0.25 * 0.75 / dropped.size) ** 0.5
    assert abs(dropped.mean() - 0.25) < bound
