"""Runs a layer or model once with dropout on, and notes what each dropout layer multiplies by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.concrete_dropout import ConcreteDropout
from keras_dropouts.layers.wrapper import WrappingDropout
from keras_dropouts.monte_carlo.sampling_mode import active_parts, sampling_mode
from keras_dropouts.noise import sampler
from keras_dropouts.noise.row_seeds import row_seeds
from keras_dropouts.surgery.sources import walk
from keras_dropouts.types import Tensor

# Keras's layers that multiply their input by noise; SpatialDropout1D to 3D are kinds of Dropout.
_OF_KERAS = (keras.layers.Dropout, keras.layers.GaussianDropout)


@dataclass(frozen=True)
class Note:
    """What a dropout layer did in one call.

    path: the layer, as `inspect_dropout` shows it; layer: the layer; inputs: what it was given,
    float32 of shape (rows, ...); factor: what it multiplied that by, float32 of the same shape.
    """

    path: str
    layer: Any
    inputs: np.ndarray
    factor: np.ndarray


def multiplies(layer: Any) -> bool:
    """Return whether a layer multiplies its input by something random, so that it can be shown."""
    if isinstance(layer, WrappingDropout):
        return isinstance(layer, ConcreteDropout)
    return isinstance(layer, (BaseDropout, *_OF_KERAS))


def layers_shown(thing: Any) -> list[tuple[str, Any]]:
    """Return (path, layer) of each layer in a layer or model that can be shown."""
    found = [(thing.name, thing), *walk(thing)]
    inner = {id(layer) for _, each in found if _is_ours(each) for _, layer in walk(each)}
    return [(path, each) for path, each in found if multiplies(each) and id(each) not in inner]


def _is_ours(layer: Any) -> bool:
    return isinstance(layer, BaseDropout)


def noted_masks(thing: Any, x: Any, seed: int) -> list[Note]:
    """Return what each dropout layer does at its first call for the rows of `x`, in their order.

    The masks are those of the first Monte-Carlo sample that `seed` gives, at the present rates.
    Neither the random state nor the steps of the layers change.
    """
    rows = len(keras.tree.flatten(x)[0])
    notes: dict[int, Note] = {}
    shown = layers_shown(thing)
    calls = [(layer, "call", _noting_call(path, layer, notes)) for path, layer in shown]
    drops = [
        (layer, "drop", _noting_drop(path, layer, notes))
        for path, layer in shown
        if _is_ours(layer)
    ]
    active = {id(part) for part in active_parts(thing)}
    words = ops.convert_to_tensor(sampler.words_of(row_seeds(seed, rows)))
    first = ops.convert_to_tensor(0, "int32")
    with (
        sampling_mode(thing, active),
        overlaid_in_thread([*calls, *drops]),
        sampler.activate(sampler.Sampler(words, first, 1)),
    ):
        thing(keras.tree.map_structure(ops.convert_to_tensor, x))
    return list(notes.values())


def _noting_call(path: str, layer: Any, notes: dict[int, Note]) -> Callable[..., Any]:
    original = layer.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, _OF_KERAS) and id(layer) not in notes:
            # The same place draws the same numbers again.
            active = sampler.active()
            place = None if active is None else active.place
            factor = original(ops.ones_like(inputs), *args, **kwargs)
            if active is not None and place is not None:
                active.place = place
            notes[id(layer)] = _note(path, layer, inputs, factor)
        outputs = original(inputs, *args, **kwargs)
        if id(layer) not in notes:  # its rate is 0 now
            last = keras.tree.flatten(inputs)[-1]
            notes[id(layer)] = _note(path, layer, last, ops.ones_like(last))
        return outputs

    return call


def _noting_drop(path: str, layer: Any, notes: dict[int, Note]) -> Callable[..., Any]:
    original = layer.drop

    def drop(inputs: Tensor, rate: Tensor, stream: Any) -> Any:
        if id(layer) not in notes:
            factor = original(ops.ones_like(inputs), rate, stream)
            if tuple(factor.shape) != tuple(inputs.shape):  # PatchDropout leaves tokens out
                numbers = ops.cast(ops.arange(inputs.shape[1])[None, :, None], inputs.dtype)
                numbered = original(ops.broadcast_to(numbers, inputs.shape), rate, stream)
                factor = _kept(_array(numbered), tuple(inputs.shape))
            notes[id(layer)] = _note(path, layer, inputs, factor)
        return original(inputs, rate, stream)

    return drop


def _kept(numbered: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    kept = np.zeros(shape, "float32")
    for row, tokens in zip(kept, numbered[..., 0].astype(int), strict=True):
        row[tokens] = 1.0
    return kept


def _note(path: str, layer: Any, inputs: Any, factor: Any) -> Note:
    return Note(path, layer, _array(inputs), _array(factor))


def _array(x: Any) -> np.ndarray:
    if isinstance(x, np.ndarray):
        return x
    return np.array(ops.convert_to_numpy(ops.cast(x, "float32")))
