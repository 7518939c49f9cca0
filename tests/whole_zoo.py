"""All models of the zoo under one name each, with what has to be known to ask them something."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

import keras_io
import zoo
import zoo_hub
import zoo_hub_composed
import zoo_hub_more
import zoo_hub_tasks
from keras_io.example import Example

# Models whose layers train whatever they are told, or whose call does.
UNTOLD = ("baked_training", "custom_layers", "subclassed")

# Python code in these models counts the steps of the sequence, so its length must be known.
_LENGTH = tf.TensorSpec([None, 16], "int32")
_SIGNATURES = {
    name: {"token_ids": _LENGTH, "padding_mask": _LENGTH}
    for name in (
        "hub_Qwen3_5",
        "hub_RWKV7",
        "hub_Qwen3_5Moe",
        "hub_Qwen3_5CausalLM",
        "hub_RWKV7CausalLM",
    )
}


def _hub(name: str, make: Callable[[], keras.Model]) -> Example:
    """Return an entry for a model of keras_hub; integers are 0 or 1, which every input takes."""
    return Example(make, integers=2, lengths=(12, 17), signature=_SIGNATURES.get(name))


_LACKING = zoo_hub.LACKING | zoo_hub_composed.LACKING | zoo_hub_more.LACKING
_HUB = {**zoo_hub.ZOO, **zoo_hub_composed.ZOO, **zoo_hub_more.ZOO, **zoo_hub_tasks.ZOO}
_ORDINARY = {
    "stateful_lstm": Example(zoo.ZOO["stateful_lstm"], fixed=2),
}

ZOO: dict[str, Example] = {
    **keras_io.ZOO,
    **{name: Example(make, integers=7, lengths=(12, 17)) for name, make in zoo.ZOO.items()},
    **_ORDINARY,
    **{name: _hub(name, make) for name, make in _HUB.items() if name not in _LACKING},
}
