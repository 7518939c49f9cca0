"""Lists the classes of layers that make noise in one table, which users can add to."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import keras

from keras_dropouts.arguments import check_flag, invalid
from keras_dropouts.keras_internals.rate_attributes import (
    GROUP_QUERY_ATTENTION,
    MULTI_HEAD_ATTENTION,
    is_dropout_cell,
)
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.types import Layer


@dataclass(frozen=True)
class NoiseKind:
    """What is known of a class of layers that make noise.

    attributes: those that hold a rate or a standard deviation; a dot leads into a part of the
    layer. keeps: whether they hold the probability of keeping. only_noise: whether the layer is the
    identity without noise; None where a layer tells, which is if it has no weights and no layers.
    """

    attributes: tuple[str, ...]
    only_noise: bool | None = None
    keeps: bool = False


_RATE = NoiseKind(("rate",), only_noise=True)
_CELL = NoiseKind(("dropout", "recurrent_dropout"), only_noise=False)

# Recurrent layers are not listed: their rates live in their cells.
_KINDS: dict[type, NoiseKind] = {
    keras.layers.Dropout: _RATE,  # SpatialDropout1D to 3D are kinds of it
    keras.layers.AlphaDropout: _RATE,
    keras.layers.GaussianDropout: _RATE,
    keras.layers.GaussianNoise: NoiseKind(("stddev",), only_noise=True),
    keras.layers.LSTMCell: _CELL,
    keras.layers.GRUCell: _CELL,
    keras.layers.SimpleRNNCell: _CELL,
    keras.layers.MultiHeadAttention: NoiseKind(MULTI_HEAD_ATTENTION, only_noise=False),
    keras.layers.GroupQueryAttention: NoiseKind(GROUP_QUERY_ATTENTION, only_noise=False),
    keras.layers.Attention: NoiseKind(("dropout",), only_noise=False),  # and AdditiveAttention
}
_OF_KERAS = frozenset(_KINDS)

# By package and class, as keras_hub is not imported for its table. Of `DropPath` it has three: one
# has `rate` and two have `drop_prob`.
_BY_NAME: dict[tuple[str, str], NoiseKind] = {
    ("keras_hub", "DropPath"): NoiseKind(("rate", "drop_prob")),
    ("keras_hub", "DINOV2DropPath"): NoiseKind(("rate",)),
    ("keras_hub", "DINOV3DropPath"): NoiseKind(("rate",)),
    ("keras_hub", "MixtralSparseMoeBlock"): NoiseKind(("router_jitter_noise",), only_noise=False),
}


def register_noise(
    cls: type[keras.layers.Layer], rate: str | tuple[str, ...] | None = "rate", keeps: bool = False
) -> type[keras.layers.Layer]:
    """Make a class of dropout or noise layers known, so that its layers are treated like Keras's.

    From then on `inspect_dropout`, `set_rates`, `replace_dropout`, the callbacks and `mc_predict`
    know the layers of this class and of its subclasses, and `keras_dropouts_export` strips them,
    lists them in its reports and switches them off in artifacts. A layer that holds neither weights
    nor other layers is taken out of a graph when the model is stripped, if it returns its input as
    it is; the rate of any other is set to zero.

    Args:
        cls: A subclass of `keras.layers.Layer`.
        rate: The name of the attribute in which a layer holds its probability of dropping, a
            number in [0, 1], or a tuple of such names. A standard deviation has to be called
            `stddev`. None: the class makes no noise, though it looks like it; nothing warns of it.
        keeps: Whether the attributes hold the probability of keeping (`keep_prob`) instead.

    Returns:
        The class, so that this can be used as a decorator.

    Raises:
        ValueError: if `cls` is no class of layers or one that is known already, as those of Keras
            and of this package are, or `rate` is no name of an attribute that can be set.

    Example:
        >>> import keras
        >>> import keras_dropouts as kd
        >>> class DropChannels(keras.layers.Layer):
        ...     def __init__(self, drop_prob, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.drop_prob = drop_prob
        ...         self.seed_generator = keras.random.SeedGenerator(1)
        ...
        ...     def call(self, x, training=False):
        ...         if not training:
        ...             return x
        ...         shape = (keras.ops.shape(x)[0], 1, 1, x.shape[-1])
        ...         return keras.random.dropout(x, self.drop_prob, shape, seed=self.seed_generator)
        >>> _ = kd.register_noise(DropChannels, rate="drop_prob")
        >>> layers = [keras.Input((8, 8, 3)), DropChannels(0.2, name="channels")]
        >>> kd.inspect_dropout(keras.Sequential(layers))[0].rate
        0.2
    """
    if not isinstance(cls, type) or not issubclass(cls, keras.layers.Layer):
        raise invalid("cls", "a subclass of keras.layers.Layer", cls)
    if cls in _OF_KERAS or issubclass(cls, BaseDropout) or cls is keras.layers.Layer:
        raise invalid("cls", "a class that is not known, as those of Keras are", cls)
    names = (rate,) if isinstance(rate, str) else () if rate is None else rate
    if not isinstance(names, tuple) or not all(map(_is_attribute, names)):
        raise invalid("rate", "the name of an attribute, a tuple of such names, or None", rate)
    for name in names:
        found = inspect.getattr_static(cls, name, None)
        if isinstance(found, property) and found.fset is None:
            raise invalid("rate", "an attribute that can be set, not a read-only property", name)
    only_noise = None if names else False
    _KINDS[cls] = NoiseKind(names, only_noise, check_flag(keeps, "keeps"))
    return cls


def _is_attribute(name: Any) -> bool:
    return isinstance(name, str) and all(part.isidentifier() for part in name.split("."))


def noise_kind(layer: Layer) -> NoiseKind | None:
    """Return what the table says of the class of a layer, None where it does not know it."""
    for base in type(layer).__mro__:
        package = base.__module__.split(".")[0]
        kind = _KINDS.get(base) or _BY_NAME.get((package, base.__name__))
        if kind is not None:
            return kind
    return _CELL if is_dropout_cell(layer) else None


def is_users_kind(layer: Layer) -> bool:
    """Return whether a class that a user registered says what noise a layer makes."""
    return any(base in _KINDS and base not in _OF_KERAS for base in type(layer).__mro__)


def users_kinds() -> dict[type, NoiseKind]:
    """Return what `register_noise` was told, by class."""
    return {kind: known for kind, known in _KINDS.items() if kind not in _OF_KERAS}
