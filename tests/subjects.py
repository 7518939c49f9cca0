"""Says how the shared tables of behaviours make each layer and what they feed it, a line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import keras_dropouts as kd
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.registry import registered


@dataclass(frozen=True)
class Subject:
    """A layer under test.

    make: called with `rate`, `seed`, `name`, `dtype`; shape: of one sample; wire: the call's
    positional arguments, from one input; ends: whether rates 0 and 1 are allowed; dropped: whether
    an output is 0 or the input times a scale; schedules: whether the rate may be a schedule;
    settable: whether the rate may be changed; tokens: how many integers there are, for a layer
    that takes them; same_shape: whether the output has one shape, in training and otherwise.
    """

    name: str
    make: Callable[..., BaseDropout]
    shape: tuple[int, ...]
    wire: Callable[[Any], tuple[Any, ...]] = lambda x: (x,)
    ends: bool = True
    dropped: bool = True
    schedules: bool = True
    settable: bool = True
    tokens: int = 0
    same_shape: bool = True

    def data(self, samples: int = 8) -> np.ndarray:
        """Return inputs with no zero among them."""
        generator = np.random.default_rng(7)
        if self.tokens:
            return generator.integers(1, self.tokens, (samples, *self.shape)).astype("int32")
        return generator.uniform(0.5, 1.5, (samples, *self.shape)).astype("float32")

    def call(self, layer: BaseDropout, x: Any, **kwargs: Any) -> Any:
        """Call the layer on one input."""
        return layer(*self.wire(x), **kwargs)

    def model(self, rate: Any = 0.5, seed: int | None = 11, **kwargs: Any) -> keras.Model:
        """Return a model with a weighty layer behind the one under test."""
        inputs = keras.Input(self.shape, dtype="int32" if self.tokens else "float32")
        x = inputs if self.tokens else keras.layers.Rescaling(1.0, name="before")(inputs)
        x = self.call(self.make(rate=rate, seed=seed, name="subject", **kwargs), x)
        if self.same_shape:
            x = keras.layers.Flatten(name="flatten")(x)
        else:
            x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
        outputs = keras.layers.Dense(1, kernel_initializer="ones", name="head")(x)
        return keras.Model(inputs, outputs)


def _around(wrapper: Any, layer: Any, *args: Any, **arguments: Any) -> Callable[..., BaseDropout]:
    """Return what makes `wrapper` around a layer of the same dtype."""

    def make(**kwargs: Any) -> BaseDropout:
        inner = layer(*args, name="inner", dtype=kwargs.get("dtype"))
        return wrapper(inner, **arguments, **kwargs)

    return make


_FACTORS = {"weight_regularizer": 1e-6, "dropout_regularizer": 1e-5}
_LEARNED = {"ends": False, "dropped": False, "schedules": False}

SUBJECTS = (
    Subject("ScheduledDropout", kd.ScheduledDropout, (6, 10)),
    Subject(
        "ScheduledDropout-noise_shape",
        lambda **kwargs: kd.ScheduledDropout(noise_shape=(None, 1, None), **kwargs),
        (6, 10),
    ),
    Subject("SpatialDropout", kd.SpatialDropout, (5, 7, 6)),
    Subject(
        "SpatialDropout-channels_first",
        lambda **kwargs: kd.SpatialDropout(data_format="channels_first", **kwargs),
        (6, 9),
    ),
    Subject("DropPath", kd.DropPath, (4, 3)),
    Subject("DropBlock", lambda **kwargs: kd.DropBlock(block_size=2, **kwargs), (6, 7, 3)),
    Subject("DropBlock1D", lambda **kwargs: kd.DropBlock1D(block_size=3, **kwargs), (9, 4)),
    Subject("DropBlock2D", lambda **kwargs: kd.DropBlock2D(block_size=2, **kwargs), (6, 7, 3)),
    Subject(
        "DropBlock2D-clip",
        lambda **kwargs: kd.DropBlock2D(block_size=(2, 3), border="clip", shared=True, **kwargs),
        (6, 7, 3),
    ),
    Subject(
        "DropBlock2D-paper",
        lambda **kwargs: kd.DropBlock2D(block_size=3, gamma="paper", **kwargs),
        (6, 7, 3),
    ),
    Subject("DropBlock3D", lambda **kwargs: kd.DropBlock3D(block_size=2, **kwargs), (4, 5, 3, 2)),
    Subject(
        "ConcreteDropout",
        _around(kd.ConcreteDropout, keras.layers.Dense, 6, **_FACTORS),
        (10,),
        **_LEARNED,
    ),
    Subject(
        "ConcreteDropout-Conv2D",
        _around(kd.ConcreteDropout, keras.layers.Conv2D, 3, 3, **_FACTORS),
        (6, 6, 4),
        **_LEARNED,
    ),
    Subject("GaussianDropout", kd.GaussianDropout, (6, 10), dropped=False),
    Subject("StochasticDepth", kd.StochasticDepth, (4, 3), wire=lambda x: ([x, x],), dropped=False),
    Subject("DropConnect", _around(kd.DropConnect, keras.layers.Dense, 6), (10,), dropped=False),
    Subject(
        "DropConnect-SeparableConv2D",
        _around(kd.DropConnect, keras.layers.SeparableConv2D, 5, 3),
        (6, 6, 4),
        dropped=False,
    ),
    Subject(
        "VariationalRNN-LSTM",
        _around(kd.VariationalRNN, keras.layers.LSTM, 5),
        (4, 3),
        dropped=False,
    ),
    Subject(
        "VariationalRNN-GRU",
        _around(kd.VariationalRNN, keras.layers.GRU, 5),
        (4, 3),
        dropped=False,
    ),
    Subject("Zoneout-LSTM", _around(kd.Zoneout, keras.layers.LSTM, 5), (4, 3), dropped=False),
    Subject("Zoneout-GRU", _around(kd.Zoneout, keras.layers.GRU, 5), (4, 3), dropped=False),
    Subject(
        "PatchDropout",
        lambda **kwargs: kd.PatchDropout(prefix=1, **kwargs),
        (9, 4),
        ends=False,
        dropped=False,
        schedules=False,
        settable=False,
        same_shape=False,
    ),
    Subject(
        "EmbeddingDropout",
        _around(kd.EmbeddingDropout, keras.layers.Embedding, 20, 4),
        (6,),
        tokens=20,
        dropped=False,
    ),
    Subject(
        "DropKey",
        _around(kd.DropKey, keras.layers.MultiHeadAttention, 2, 4),
        (5, 6),
        wire=lambda x: (x, x),
        dropped=False,
    ),
    Subject(
        "DropHead",
        _around(kd.DropHead, keras.layers.GroupQueryAttention, 4, 4, 2),
        (5, 6),
        wire=lambda x: (x, x),
        dropped=False,
    ),
    Subject(
        "MultiSampleDropout",
        _around(kd.MultiSampleDropout, keras.layers.Dense, 3, samples=3),
        (10,),
        dropped=False,
    ),
    Subject(
        "VariationalDropout",
        _around(kd.VariationalDropout, keras.layers.Dense, 6, kl_weight=1e-4),
        (10,),
        **_LEARNED,
    ),
    Subject(
        "VariationalDropout-Conv2D",
        _around(kd.VariationalDropout, keras.layers.Conv2D, 3, 3, kl_weight=1e-4),
        (6, 6, 4),
        **_LEARNED,
    ),
)


def layer_classes() -> set[type[BaseDropout]]:
    """Return every registered dropout layer of this package."""
    return {
        cls
        for cls in registered()
        if issubclass(cls, BaseDropout) and cls.__module__.startswith("keras_dropouts.")
    }
