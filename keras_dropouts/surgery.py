"""Look at the dropout of a model that exists, set its rates, or put other layers in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from keras_dropouts.arguments import check_rate, invalid, is_real
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.noise import NoiseSource, is_removable, noise_sources
from keras_dropouts.rewrite import check_model, rewrite


class DropoutRow(NamedTuple):
    """One rate of a model.

    path: names from the model down to the layer, joined by `/`; layer: its class, with the
    argument where it is not the rate of a dropout layer; rate: the present value; schedule: the
    schedule it follows, or None; learned: whether gradient descent sets it.
    """

    path: str
    layer: str
    rate: float
    schedule: str | None
    learned: bool


class DropoutTable(tuple[DropoutRow, ...]):
    """The rates of a model; prints as a table."""

    def __str__(self) -> str:
        if not self:
            return "no dropout"
        cells = [
            ("path", "layer", "rate now", "schedule", "learned"),
            *(
                (row.path, row.layer, f"{row.rate:.4g}", row.schedule or "-", _yes(row.learned))
                for row in self
            ),
        ]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        ]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    __repr__ = __str__


def _yes(value: bool) -> str:
    return "yes" if value else "-"


def inspect_dropout(model: keras.Model) -> DropoutTable:
    """Return every dropout and noise rate of a model, as rows that print as a table.

    Layers of this package and Keras's own are listed, `dropout=` arguments of recurrent and
    attention layers and layers inside nested models and wrappers too.

    Args:
        model: A Keras model; it need not be built.

    Raises:
        ValueError: if `model` is not a Keras model.

    Example:
        >>> print(kd.inspect_dropout(model))
    """
    if not isinstance(model, keras.Model):
        raise invalid("model", "a keras.Model", model)
    return DropoutTable(_row(source) for source in noise_sources(model))


def _row(source: NoiseSource) -> DropoutRow:
    kind = type(source.layer).__name__
    if not source.ours:
        attribute = source.attribute.lstrip("_")
        kind = kind if attribute == "rate" else f"{kind}({attribute}=)"
        return DropoutRow(source.path, kind, source.rate, None, False)
    schedule = None if source.layer.schedule is None else str(source.layer.schedule)
    return DropoutRow(source.path, kind, source.rate, schedule, source.layer.learned)


def set_rates(
    model: keras.Model,
    rate: float | Mapping[str, float] | Callable[[Any], float | None],
) -> None:
    """Set the present rates of the dropout layers of this package in a model, in place.

    Compiled steps see the new rates with no retrace. Over a schedule a set rate prevails until
    `layer.rate = layer.schedule`. Keras's own layers are left as they are, since a compiled step
    does not notice a change of theirs; naming one is an error. `replace_dropout` turns them
    into layers whose rate can be set.

    Args:
        model: A Keras model.
        rate: A number in [0, 1] for all; or {path or class name: number}, where a path, as
            `inspect_dropout` shows it, prevails over a class; or a function that is called with
            each layer and returns a number, or None to leave it as it is.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, a name fits no layer,
            or there is no layer whose rate can be set. Nothing has been changed then.

    Example:
        >>> kd.set_rates(model, {"DropBlock2D": 0.1, "head/dropout": 0.5})
    """
    if not isinstance(model, keras.Model):
        raise invalid("model", "a keras.Model", model)
    sources = [source for source in noise_sources(model) if source.ours]
    if not sources:
        raise invalid(
            "model",
            "a model with dropout layers of keras_dropouts",
            model,
            "`replace_dropout` turns Keras's own into them.",
        )
    chosen = [
        (source.layer, value) for source, value in _choose(sources, rate) if value is not None
    ]
    values = [(layer, layer._check_rate(value)) for layer, value in chosen]
    for layer, value in values:
        layer.rate = value


def _choose(sources: list[NoiseSource], rate: Any) -> list[tuple[NoiseSource, Any]]:
    if is_real(rate):
        return [(source, check_rate(rate)) for source in sources]
    if isinstance(rate, Mapping):
        names = {name for source in sources for name in _names(source)}
        unknown = [name for name in rate if name not in names]
        if unknown:
            known = ", ".join(source.path for source in sources)
            raise invalid("rate", f"paths or classes out of: {known}", unknown)
        return [
            (source, next((rate[name] for name in _names(source) if name in rate), None))
            for source in sources
        ]
    if callable(rate):
        return [(source, rate(source.layer)) for source in sources]
    raise invalid("rate", "a number in [0, 1], a dict of them or a function of the layer", rate)


def _names(source: NoiseSource) -> tuple[str, str]:
    return source.path, type(source.layer).__name__


def replace_dropout(
    model: keras.Model, function: Callable[[Any], keras.layers.Layer | None]
) -> keras.Model:
    """Return a new model with other layers in place of its dropout layers, weights carried over.

    Args:
        model: A built Sequential or Functional model, nested ones included.
        function: Called with each dropout or noise layer, Keras's own or this package's; returns
            the new layer, or None to keep it as it is.

    Raises:
        ValueError: if an argument is of the wrong type, the model is not built or is subclassed,
            or the function returns something else than an unused layer or None.

    Example:
        >>> kd.replace_dropout(model, lambda layer: kd.ScheduledDropout(layer.rate))
    """
    check_model(model)
    if not callable(function):
        raise invalid("function", "a function of the layer that returns a layer or None", function)

    def replace(layer: Any) -> list[Any] | None:
        if not isinstance(layer, BaseDropout) and not is_removable(layer):
            return None
        chosen = function(layer)
        if chosen is None:
            return None
        if not isinstance(chosen, keras.layers.Layer) or chosen is layer:
            raise invalid(
                "function", f"a function that returns a new layer for {layer.name!r}", chosen
            )
        return [chosen]

    return rewrite(model, replace)
