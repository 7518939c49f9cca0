"""Lists the dropout and noise rates of a model as a table."""

from __future__ import annotations

from typing import NamedTuple

import keras

from keras_dropouts import html_tables
from keras_dropouts.arguments import invalid
from keras_dropouts.surgery.always_on import always_on
from keras_dropouts.surgery.sources import NoiseSource, noise_sources
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise


class DropoutRow(NamedTuple):
    """One rate of a model.

    path: names from the model down to the layer, joined by `/`; layer: its class, with the
    argument where it is not the rate of a dropout layer; rate: the present value; schedule: the
    schedule it follows, or None; learned: whether gradient descent sets it; always_on: whether the
    layer drops in `model(x)`, too, as a graph or a `call` says `training=True`.
    """

    path: str
    layer: str
    rate: float
    schedule: str | None
    learned: bool
    always_on: bool = False


class DropoutTable(tuple[DropoutRow, ...]):
    """The rates of a model; prints as a table."""

    def __str__(self) -> str:
        if not self:
            return "no dropout"
        cells: list[tuple[str, ...]] = [
            ("path", "layer", "rate now", "schedule", "learned"),
            *map(_cells, self),
        ]
        if any(row.always_on for row in self):
            column = ("always on", *(_yes(row.always_on) for row in self))
            cells = [(*line, cell) for line, cell in zip(cells, column, strict=True)]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        ]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        if not self:
            return html_tables.paragraph("no dropout")
        on = any(row.always_on for row in self)
        head = ["path", "layer", "rate now", "schedule", "learned", *(["always on"] if on else [])]
        lines = [[*_cells(row), *([_yes(row.always_on)] if on else [])] for row in self]
        return html_tables.table(head, lines)


def _cells(row: DropoutRow) -> tuple[str, ...]:
    return (row.path, row.layer, f"{row.rate:.4g}", row.schedule or "-", _yes(row.learned))


def _yes(value: bool) -> str:
    return "yes" if value else "-"


def inspect_dropout(model: keras.Model) -> DropoutTable:
    """Return every dropout and noise rate of a model, as rows that print as a table.

    Layers of this package and Keras's own are listed, those of keras_hub and of classes that were
    made known by `register_noise`, `dropout=` arguments of recurrent and attention layers and
    layers inside nested models and wrappers too. A layer that looks like dropout and is not known
    is warned of. Where layers are always on a column says which: a graph or a `call` tells them
    `training=True`. For that a built model with layers of others in it is called symbolically.

    Args:
        model: A Keras model; it need not be built.

    Raises:
        ValueError: if `model` is not a Keras model.

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
        >>> print(kd.inspect_dropout(model))
        path   layer        rate now  schedule  learned
        -----  -----------  --------  --------  -------
        block  DropBlock2D  0.2       -         -
        drop   Dropout      0.5       -         -
    """
    if not isinstance(model, keras.Model):
        raise invalid("model", "a keras.Model", model)
    warn_of_unknown_noise(model)
    sources = noise_sources(model)
    on = always_on(model, sources)
    return DropoutTable(_row(source, id(source.layer) in on) for source in sources)


def _row(source: NoiseSource, on: bool) -> DropoutRow:
    kind = type(source.layer).__name__
    if not source.ours:
        kind = kind if source.argument is None else f"{kind}({source.argument}=)"
        return DropoutRow(source.path, kind, source.rate, None, False, on)
    schedule = None if source.layer.schedule is None else str(source.layer.schedule)
    return DropoutRow(source.path, kind, source.rate, schedule, source.layer.learned, on)
