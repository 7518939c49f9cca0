"""Runs a model with its dropout on, drawn from a sampler, and everything else as at inference."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import keras
from keras import ops

from keras_dropouts import backends
from keras_dropouts.keras_internals.layers import (
    is_from_keras,
    parts,
    seed_generators,
    takes_training,
)
from keras_dropouts.keras_internals.patching import replaced_in_thread, restored_after_calls
from keras_dropouts.keras_internals.random_functions import BACKEND_RANDOM, DRAWS
from keras_dropouts.keras_internals.rate_attributes import (
    is_dropout_cell,
    lacks_seed_generator,
    step_by_step,
)
from keras_dropouts.keras_internals.scans import traceable_scans
from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.keras_internals.time_distributed import right_time_axis
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.noise import masks, sampler
from keras_dropouts.noise.stream import Stream
from keras_dropouts.surgery.sources import rate_attributes, rates_of_layer
from keras_dropouts.types import Layer, Tensor

_SECOND_RATES = ("recurrent_rate", "cell_rate")  # of VariationalRNN and Zoneout
_TENSORFLOW_S = (  # how the names of random operations that keep a state begin
    *("Random", "Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal"),
    *("StatefulUniform", "StatefulStandardNormal", "StatefulTruncatedNormal", "StatefulRandom"),
)


def active_parts(layer: Layer) -> list[Any]:
    """Return the parts of a layer or model, itself included, that draw in Monte-Carlo sampling.

    These are dropout and noise layers with a rate that is not 0 now, and layers outside Keras
    that hold a `keras.random.SeedGenerator`. Augmentation and preprocessing stay off.
    """
    found: dict[int, Any] = {}
    for part in parts(layer):
        if _draws(part):
            found[id(part)] = part
            if isinstance(part, BaseDropout):
                # A cell takes the mask that VariationalRNN draws for it only in training.
                found |= {id(each): each for each in parts(part) if _is_recurrent(each)}
    return list(found.values())


def _is_recurrent(part: Any) -> bool:
    return isinstance(part, keras.layers.RNN) or is_dropout_cell(part)


def _draws(part: Any) -> bool:
    if isinstance(part, BaseDropout):
        rates = (part.rate, *(getattr(part, name, None) for name in _SECOND_RATES))
        return any(rate is not None and rate > 0.0 for rate in rates)
    if rate_attributes(part):
        return any(rate > 0.0 for rate in rates_of_layer(part))
    # Keras's own other holders of a generator are augmentation, and recurrent layers, which
    # only hand it to their cells.
    return bool(seed_generators(part)) and not is_from_keras(part)


def wants_training(layer: Any, active: set[int]) -> bool:
    """Return the `training` that a layer is called with in Monte-Carlo sampling."""
    if isinstance(layer, keras.layers.TimeDistributed):
        # It calls `layer.layer.call` itself, past the place where the flag is set.
        return wants_training(layer.layer, active)
    return id(layer) in active


@contextmanager
def sampling_mode(model: Any, active: set[int]) -> Iterator[None]:
    """Call the layers of `model` inside this: dropout draws from the active sampler, if any.

    `active` holds the ids of the parts that draw, from `active_parts`, which cannot be asked while
    a function is traced. Where no sampler is active dropout is off, and a draw is an error.
    Losses, call flags and what Keras's layers draw with are put back on leaving, whatever happens.
    """
    running: list[Any] = []

    def sampled(layer: Any) -> bool:
        return sampler.active() is not None and any(id(part) in active for part in parts(layer))

    with (
        restored_after_calls(model),
        _drawn_for(part for part in parts(model) if lacks_seed_generator(part)),
        step_by_step(part for part in parts(model) if _drops_in_its_cell(part, active)),
        right_time_axis(sampled),
        traceable_scans(),
        _call_flags(active, running),
        _seeded_draws(running),
        _no_draws_of_tensorflow(),
    ):
        yield


def _drawn_for(layers: Iterable[Any]) -> AbstractContextManager[None]:
    """Let layers of Keras that were made with a rate of 0 be called with another rate."""
    return overlaid_in_thread((layer, "seed_generator", None) for layer in layers)


def _drops_in_its_cell(part: Any, active: set[int]) -> bool:
    return isinstance(part, keras.layers.RNN) and any(id(each) in active for each in parts(part))


@contextmanager
def _call_flags(active: set[int], running: list[Any]) -> Iterator[None]:
    def flagged(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if takes_training(self):
                on = sampler.active() is not None and wants_training(self, active)
                kwargs["training"] = on
            running.append(self)
            try:
                return original(self, *args, **kwargs)
            finally:
                running.pop()

        return call

    with replaced_in_thread(keras.layers.Layer, "__call__", flagged):
        yield


@contextmanager
def _seeded_draws(running: list[Any]) -> Iterator[None]:
    def draw_by(name: str, seeded: Callable[..., Any] | None) -> Callable[..., Any]:
        def draw(*args: Any, **kwargs: Any) -> Any:
            if seeded is None or sampler.active() is None:
                raise _unseeded(name, running)
            return seeded(*args, **kwargs)

        return draw

    draws: dict[str, Callable[..., Any] | None] = {name: _SEEDED.get(name) for name in DRAWS}
    with ExitStack() as stack:
        for name, seeded in draws.items():
            draw = draw_by(name, seeded)
            change = functools.partial(lambda draw, original: draw, draw)
            stack.enter_context(replaced_in_thread(BACKEND_RANDOM, name, change))
        yield


@contextmanager
def _no_draws_of_tensorflow() -> Iterator[None]:
    """Refuse random operations of TensorFlow's own that are traced inside this."""
    before = len(backends.traced_operations())
    yield
    for each in backends.traced_operations()[before:]:
        if each.type.startswith(_TENSORFLOW_S):
            raise _not_seeded(f"operation {each.name!r}, a {each.type} of TensorFlow's own")


def _unseeded(name: str, running: list[Any]) -> ValueError:
    layer = running[-1] if running else None
    where = f"layer {layer.name!r} of class {type(layer).__name__}" if layer else "a function"
    return _not_seeded(f"{where}, which draws by `keras.random.{name}`")


def _not_seeded(received: str) -> ValueError:
    return ValueError(
        f"Invalid value for argument `model`. Expected noise sources that can be seeded: layers of "
        f"keras_dropouts and Keras, and layers that hold a `keras.random.SeedGenerator` and draw "
        f"by `keras.random.dropout`, `uniform`, `normal` or `randint`. Received: {received}"
    )


def _dropout(inputs: Tensor, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    if not rate:
        return inputs
    shape = tuple(ops.shape(inputs))
    if noise_shape is not None:
        shape = tuple(
            size if given is None else given
            for size, given in zip(shape, _sizes(noise_shape), strict=True)
        )
    stream = _stream()
    rate = ops.convert_to_tensor(rate, "float32")
    return masks.apply_mask(inputs, stream.keep(shape, rate), masks.keep_scale(rate), None)


def _uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    numbers = _stream().uniform(_sizes(shape)) * (maxval - minval) + minval
    return ops.cast(numbers, dtype or keras.config.floatx())


def _normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    numbers = _stream().normal(_sizes(shape)) * stddev + mean
    return ops.cast(numbers, dtype or keras.config.floatx())


def _randint(
    shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None
) -> Tensor:
    span = ops.cast(maxval - minval, "float32")
    numbers = ops.floor(_stream().uniform(_sizes(shape)) * span)
    return ops.cast(ops.minimum(numbers, span - 1.0), dtype) + ops.cast(minval, dtype)


def _stream() -> Stream:
    active = sampler.active()
    if active is None:
        raise RuntimeError("A layer draws random numbers, and no Monte-Carlo sampler is active.")
    return active.next_stream()


def _sizes(shape: Any) -> tuple[Any, ...]:
    if isinstance(shape, (tuple, list)):
        return tuple(shape)
    return tuple(shape[i] for i in range(shape.shape[0]))


_SEEDED: dict[str, Callable[..., Any]] = {
    "dropout": _dropout,
    "uniform": _uniform,
    "normal": _normal,
    "randint": _randint,
}
