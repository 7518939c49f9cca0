"""Returns a model without dropout: layers are taken out of the graph, rates inside are set to 0."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import Any

import keras

from keras_dropouts.arguments import check_flag
from keras_dropouts.html_tables import paragraph, table
from keras_dropouts.keras_internals.graphs import is_graph
from keras_dropouts.keras_internals.layers import mark_as_built, parts
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.surgery import rewrite
from keras_dropouts.surgery.identity import returns_its_input
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.noise_table import is_users_kind
from keras_dropouts.surgery.rates import set_rate
from keras_dropouts.surgery.replace import put_inside
from keras_dropouts.surgery.sources import NoiseSource, is_removable, noise_sources
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.models.drawing_layers import random_layers
from keras_dropouts_export.models.same_predictions import check_same_predictions
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


@dataclass(frozen=True)
class StrippedRow:
    """What became of one rate: `removed`, `replaced`, `silenced`, `kept` or `unreachable`."""

    path: str
    layer: str
    rate: float
    what: str


@dataclass(frozen=True)
class StripReport:
    """What `strip_dropout` or `freeze_dropout` did, one row a rate.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> lstm = keras.layers.LSTM(3, dropout=0.2, name="lstm")
    >>> new = kde.strip_dropout(keras.Sequential([keras.Input((5, 4)), lstm]))
    >>> [(row.layer, row.rate, row.what) for row in kde.strip_report(new).rows]
    [('LSTMCell', 0.2, 'silenced'), ('LSTMCell', 0.0, 'silenced')]
    """

    rows: tuple[StrippedRow, ...]

    def __str__(self) -> str:
        if not self.rows:
            return "no dropout found"
        width = max(len(row.path) for row in self.rows)
        return "\n".join(
            f"{row.path:<{width}}  {row.layer}  rate {row.rate:.4g}  {row.what}"
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        """Return the rows as a table for a notebook."""
        if not self.rows:
            return paragraph(str(self))
        lines = [(row.path, row.layer, f"{row.rate:.4g}", row.what) for row in self.rows]
        return table(("path", "layer", "rate", "what became of it"), lines)


_reports: weakref.WeakKeyDictionary[Any, StripReport] = weakref.WeakKeyDictionary()


def strip_report(model: keras.Model) -> StripReport:
    """Return what was done to make a model that `strip_dropout` or `freeze_dropout` returned.

    Raises:
        ValueError: if the model does not come from one of the two in this process.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5, name="drop")]
    >>> new = kde.strip_dropout(keras.Sequential(layers))
    >>> print(kde.strip_report(new))
    drop  Dropout  rate 0.5  removed
    """
    if model not in _reports:
        raise ValueError(
            "Invalid value for argument `model`. Expected a model that `strip_dropout` or "
            f"`freeze_dropout` returned. Received: model={model!r}"
        )
    return _reports[model]


def keep_report(model: keras.Model, rows: list[StrippedRow]) -> None:
    """Remember what was done to make `model`, for as long as the model lives."""
    _reports[model] = StripReport(tuple(rows))


def strip_dropout(
    model: keras.Model, *, allow_unreachable: bool = False, sample_inputs: Any = None
) -> keras.Model:
    """Return a new model without dropout, for serving.

    Every layer that is nothing but dropout or noise, of this package, of Keras, of keras_hub and of
    classes that `kd.register_noise` made known, is taken out of the graph, nested models included.
    A layer that wraps another leaves the wrapped one. Rates that sit inside a layer (`dropout=` of
    recurrent and attention layers, dropout layers held by a custom layer) are set to zero in the
    new model, where they are. `strip_report(new_model)` says which was which. A layer that looks
    like dropout and is not known is warned of.

    `MultiHeadAttention` and `GroupQueryAttention` compute in another way where their rate is 0,
    which gives queries that see no key another value. So one that had a rate keeps the least number
    above 0 as its `dropout`, by which nothing is ever dropped; `kd.inspect_dropout` shows it as 0.

    Of a subclassed model a copy is made from its config, and every rate in it is set to zero.

    The predictions are those of `model(x, training=False)`, bit for bit; names, dtypes and weights
    of all other layers are as they were. `model` is not changed, and the two share nothing. The
    new model is not compiled.

    Args:
        model: A built Keras model.
        allow_unreachable: Whether to return a model that still draws random numbers when it
            predicts, because a layer of the user's own draws them itself (`keras.random` in a
            `call` that does not ask for `training`). The report lists such layers. On JAX and
            PyTorch draws by functions of the backend's own (`jax.random`) are not found; those of
            `keras.random` are, on every backend.
        sample_inputs: None, or inputs of the model, as for `export_onnx`: the new model is returned
            only if it predicts the same for them, bit for bit. They also say what the inputs of a
            subclassed model are.

    Returns:
        The new model.

    Raises:
        ValueError: if `model` is not a Keras model, is not built, or holds a layer that cannot be
            made again from its config, or `sample_inputs` are no inputs of it.
        ExportError: if a layer draws random numbers that cannot be switched off, naming it, or
            the new model predicts something else for `sample_inputs`.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)]
    >>> new = kde.strip_dropout(keras.Sequential(layers))
    >>> [type(layer).__name__ for layer in new.layers]
    ['Dense']
    """
    check_flag(allow_unreachable, "allow_unreachable")
    check_model(model)
    warn_of_unknown_noise(model)
    samples = SampleInputs.asked_for(sample_inputs)
    graph = is_graph(model)
    new = rewrite.rewrite(model, _without_dropout) if graph else rewrite.copy_model(model)
    sources = noise_sources(model)
    put_inside(new, _stand_in)
    left = {source.path for source in switch_off(new)}
    unreachable = random_layers(new, samples)
    if unreachable and not allow_unreachable:
        raise ExportError(
            f"Model {model.name!r} draws random numbers at inference in {', '.join(unreachable)}, "
            f"and no rate there can be set to zero. Let the layer's `call` draw only when "
            f"`training` is true, or pass `allow_unreachable=True`."
        )
    if samples is not None and not unreachable:
        check_same_predictions(new, model, samples)
    rows = [_row(source, source.path in left) for source in sources]
    rows += [StrippedRow(path, "", math.nan, "unreachable") for path in unreachable]
    keep_report(new, rows)
    return new


def _without_dropout(layer: Any) -> list[Any] | None:
    if isinstance(layer, BaseDropout):
        stand_in = layer.stripped()
        return [] if stand_in is None else [stand_in]
    if not is_removable(layer):
        return None
    # What a user says of a class is tried out, as the layer may do more than to drop.
    on_trial = any(map(is_users_kind, parts(layer)))
    return None if on_trial and not returns_its_input(layer) else []


def _stand_in(layer: Any) -> Any:
    """Return what takes the place of a layer in an attribute of another one, None if none does.

    Most layers stay there with a rate of 0, which is what they are at inference.
    """
    if not isinstance(layer, BaseDropout) or layer.is_plain_at_rate_0:
        return None
    made = layer.stripped() or keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy.name)
    rewrite.carry_parts(layer, [made])
    if layer.built and not made.built:
        mark_as_built(made, like=layer)
    return made


def switch_off(model: Any) -> list[NoiseSource]:
    """Set every rate inside `model` to zero and return the sources, as they were."""
    sources = noise_sources(model)
    for source in sources:
        set_rate(source, 0.0)
    return sources


def _row(source: NoiseSource, left: bool) -> StrippedRow:
    replaced = source.ours and source.layer.stripped() is not None
    what = "silenced" if left else "replaced" if replaced else "removed"
    return StrippedRow(source.path, type(source.layer).__name__, source.rate, what)
