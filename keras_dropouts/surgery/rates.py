"""Sets the rates of the dropout layers of a model that exists, Keras's own among them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from keras_dropouts.arguments import check_rate, invalid, is_real
from keras_dropouts.keras_internals.layers import unlocked
from keras_dropouts.keras_internals.rate_attributes import lacks_seed_generator, off
from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread
from keras_dropouts.surgery.sources import NoiseSource, holder, noise_sources, rate_attributes


def set_rates(
    model: keras.Model,
    rate: float | Mapping[str, float] | Callable[[Any], float | None],
) -> None:
    """Set the present rates of the dropout layers of a model, in place.

    Layers of this package: compiled steps see the new rates with no retrace, and over a schedule
    a set rate prevails until `layer.rate = layer.schedule`. Those of Keras, and of classes that
    `register_noise` made known: a compiled step does not notice a change of theirs, so the compiled
    functions of `model` are traced again when they are next used, in the middle of `fit` too;
    another model that holds the same layers has to be compiled again.
    The standard deviation of `GaussianNoise` is no rate and stays.

    Args:
        model: A Keras model.
        rate: A number in [0, 1] for all dropout layers, and for those `dropout=` arguments of
            recurrent and attention layers that are above 0 already; or {name: number}, where a
            name is a path as `inspect_dropout` shows it, a path followed by `/` and an argument
            (`"lstm/lstm_cell/recurrent_dropout"`), or a class, and a path prevails over a class;
            or a function that is called with each layer and returns a number for its rate, or
            None to leave it as it is.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, a name fits no rate,
            or the model has no rate that can be set. Nothing has been changed then.

    Example:
        >>> import keras
        >>> import keras_dropouts as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((8, 8, 1)),
        ...         kd.DropBlock2D(0.2, block_size=3, name="block"),
        ...         keras.layers.Flatten(),
        ...         keras.layers.Dropout(0.5, name="drop"),
        ...         keras.layers.Dense(10),
        ...     ]
        ... )
        >>> kd.set_rates(model, {"DropBlock2D": 0.1, "drop": 0.4})
        >>> [row.rate for row in kd.inspect_dropout(model)]
        [0.1, 0.4]
    """
    if not isinstance(model, keras.Model):
        raise invalid("model", "a keras.Model", model)
    sources = [source for source in noise_sources(model) if source.is_probability]
    if not sources:
        raise invalid("model", "a model with dropout layers", model, "`add_dropout` puts some in.")
    chosen = [(source, value) for source, value in _choose(sources, rate) if value is not None]
    checked = [
        (source, source.layer._check_rate(value) if source.ours else check_rate(value))
        for source, value in chosen
    ]
    set_found_rates(model, checked)


def set_found_rates(model: keras.Model, found: Iterable[tuple[NoiseSource, float]]) -> None:
    """Set the rates of noise sources of a model, compiled functions included."""
    found = list(found)
    for source, value in found:
        set_rate(source, value)
    if any(not source.ours for source, _ in found):
        _forget_traces(model)


def _forget_traces(model: keras.Model) -> None:
    """Let the compiled functions of a model be traced again, in the middle of `fit` too."""
    for name in ("train", "test", "predict"):
        if getattr(model, f"{name}_function", None) is not None:
            getattr(model, f"make_{name}_function")(force=True)


def _choose(sources: list[NoiseSource], rate: Any) -> list[tuple[NoiseSource, Any]]:
    if is_real(rate):
        value = check_rate(rate)
        return [(source, value) for source in sources if is_on(source)]
    if isinstance(rate, Mapping):
        names = {name for source in sources for name in names_of(source)}
        unknown = [name for name in rate if name not in names]
        if unknown:
            known = ", ".join(names_of(source)[0] for source in sources)
            raise invalid("rate", f"paths or classes out of: {known}", unknown)
        return [
            (source, next((rate[name] for name in names_of(source) if name in rate), None))
            for source in sources
        ]
    if callable(rate):
        values = {id(source.layer): rate(source.layer) for source in sources}
        return [(source, values[id(source.layer)]) for source in sources if is_on(source)]
    raise invalid("rate", "a number in [0, 1], a dict of them or a function of the layer", rate)


def is_on(source: NoiseSource) -> bool:
    """Return whether it is a dropout layer, or an argument of a layer that asks for dropout."""
    return source.argument is None or source.rate > 0.0


def names_of(source: NoiseSource) -> list[str]:
    """Return what a source may be called, the most particular name first."""
    kind = type(source.layer).__name__
    if source.argument is None:
        return [source.path, kind]
    argument = f"{source.path}/{source.argument}"
    return [argument, source.path, kind] if source.rate > 0.0 else [argument]


def set_rate(source: NoiseSource, value: float) -> None:
    """Set the present rate of one noise source; all rates of this project are set here.

    A layer of Keras that was made with a rate of 0 gets the seed generator that it draws with.
    Whatever the rate, predictions at inference stay what they are.
    """
    try_rate(source, value)
    if source.ours or value == 0.0:
        return
    for thing, _, _ in _held(source, value):
        if lacks_seed_generator(thing):
            with unlocked(thing):
                thing.seed_generator = keras.random.SeedGenerator(thing.seed)


def try_rate(source: NoiseSource, value: float) -> None:
    """Set the present rate of one noise source for Monte-Carlo sampling, inside `rates_kept`."""
    if source.ours:
        source.layer.rate = value
        return
    for thing, name, held in _held(source, value):
        _put(thing, name, held)


def _put(thing: Any, name: str, held: Any) -> None:
    before = getattr(thing, name, None)
    if isinstance(before, keras.Variable):
        before.assign(held)
    else:
        setattr(thing, name, held)


@contextmanager
def rates_kept(sources: Iterable[NoiseSource]) -> Iterator[None]:
    """Put the rates of noise sources back on leaving, whatever happens inside this block."""
    backs: list[Callable[[], None]] = []
    for source in sources:
        if source.ours:
            layer = source.layer
            rate = layer.schedule if layer.follows_schedule else layer.rate
            backs.append(functools.partial(setattr, layer, "rate", rate))
            continue
        for thing, name, _ in _held(source, source.rate):
            held = getattr(thing, name, None)
            if isinstance(held, keras.Variable):
                held = keras.ops.convert_to_numpy(held)
            backs.append(functools.partial(_put, thing, name, held))
    try:
        yield
    finally:
        for back in backs:
            back()


@contextmanager
def rates_off(sources: Iterable[NoiseSource]) -> Iterator[None]:
    """Let noise sources of Keras have a rate of 0 inside this block, in this thread alone.

    Layers of this package keep their rate in a variable, which this is not for: a graph that is
    traced meanwhile would read the variable later.

    Raises:
        ValueError: if one of the sources is a layer of this package.
    """
    overlays: list[tuple[Any, str, Any]] = []
    for source in sources:
        if source.ours:
            raise invalid("sources", "noise sources of Keras", source)
        overlays += _held(source, 0.0)
    with overlaid_in_thread(overlays):
        yield


def _held(source: NoiseSource, value: float) -> list[tuple[Any, str, float]]:
    """Return the objects that hold the rate of a source of Keras, under which names, and as what.

    Attention layers hand their rate to a dropout layer of their own.
    """
    names = [name for name in rate_attributes(source.layer) if "." in name]
    found = [holder(source.layer, name) for name in (source.attribute, *names)]
    return [
        (thing, name, source.held(value) if value or source.keeps else off(thing, name))
        for thing, name in found
        if thing is not None
    ]
