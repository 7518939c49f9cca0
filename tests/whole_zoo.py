"""All models of the zoo under one name each, with what has to be known to ask them something."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
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
# These draw for the batch size that they were built with: Keras itself cannot train them with a
# dynamic batch.
_NO_DRAW = {"samples": "DINOV2DropPath.call(). None values not supported"}
_REFUSED = {
    "hub_DINOV2": _NO_DRAW,
    "hub_DINOV3": {"samples": "DINOV3DropPath.call(). unsupported operand"},
    "hub_DepthAnythingDepthEstimator": _NO_DRAW,
    "hub_depth_anything": _NO_DRAW,
}
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
# SAM adds one mask for each image to a map of a quarter of its size.
_SIGNATURES["hub_SAMImageSegmenter"] = {
    "images": tf.TensorSpec([None, 64, 64, 3]),
    "points": tf.TensorSpec([None, None, 2]),
    "labels": tf.TensorSpec([None, None]),
    "boxes": tf.TensorSpec([None, None, 2, 2]),
    "masks": tf.TensorSpec([None, 1, 16, 16, 1]),
}


# Sound is long (a window of Moonshine's first layer is 127 samples);
# the text of SigLIP has one length.
_LENGTHS = {
    "hub_Moonshine": (900, 1100),
    "hub_MoonshineAudioToText": (900, 1100),
    "hub_siglip": (64, 64),
}


def _words_of_sound(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return tokens for a sound, which are far fewer than its samples."""
    return random.integers(0, 2, (shape[0], shape[1] // 60))


def _all_words(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.ones((shape[0], shape[1] // 60), bool)


_SOUND = {"decoder_token_ids": _words_of_sound, "decoder_padding_mask": _all_words}


def _hub(name: str, make: Callable[[], keras.Model]) -> Example:
    """Return an entry for a model of keras_hub; integers are 0 or 1, which every input takes."""
    lengths = _LENGTHS.get(name, (12, 17))
    refused = _REFUSED.get(name, {})
    draw = _SOUND if "Moonshine" in name else {}
    return Example(make, 2, lengths, draw, _SIGNATURES.get(name), refused=refused)


_LACKING = zoo_hub.LACKING | zoo_hub_composed.LACKING | zoo_hub_more.LACKING
_HUB = {**zoo_hub.ZOO, **zoo_hub_composed.ZOO, **zoo_hub_more.ZOO, **zoo_hub_tasks.ZOO}
_ORDINARY = {
    "stateful_lstm": Example(zoo.ZOO["stateful_lstm"], fixed=2),
    "unet": Example(zoo.ZOO["unet"], lengths=(8, 12)),  # it halves each size and doubles it again
}

ZOO: dict[str, Example] = {
    **keras_io.ZOO,
    **{name: Example(make, integers=7, lengths=(12, 17)) for name, make in zoo.ZOO.items()},
    **_ORDINARY,
    **{name: _hub(name, make) for name, make in _HUB.items() if name not in _LACKING},
}
