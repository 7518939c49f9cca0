"""One line for each layer: how the shared tables of behaviours make it and what they feed it."""

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

    make: called with `rate` (where it takes one), `seed`, `name`, `dtype`; shape: of one sample.
    ends: whether rates 0 and 1 are allowed; dropped: whether dropped units are exact zeros of the
    output; schedules: whether the rate may be a schedule.
    """

    name: str
    make: Callable[..., BaseDropout]
    shape: tuple[int, ...]
    ends: bool = True
    dropped: bool = True
    schedules: bool = True

    def data(self, samples: int = 8, dtype: str = "float32") -> np.ndarray:
        """Return inputs with no zero among them."""
        generator = np.random.default_rng(7)
        return generator.uniform(0.5, 1.5, (samples, *self.shape)).astype(dtype)

    def model(self, rate: Any = 0.5, seed: int | None = 11, **kwargs: Any) -> keras.Model:
        """Return a Sequential model with weights before and behind the layer."""
        return keras.Sequential(
            [
                keras.Input(self.shape),
                keras.layers.Rescaling(1.0, name="before"),
                self.make(rate=rate, seed=seed, name="subject", **kwargs),
                keras.layers.Flatten(name="flatten"),
                keras.layers.Dense(1, kernel_initializer="ones", name="head"),
            ]
        )


def _wrap(**kwargs: Any) -> BaseDropout:
    dense = keras.layers.Dense(6, name="inner", dtype=kwargs.get("dtype"))
    return kd.ConcreteDropout(dense, **kwargs)


def _wrap_convolution(**kwargs: Any) -> BaseDropout:
    convolution = keras.layers.Conv2D(3, 3, name="inner", dtype=kwargs.get("dtype"))
    return kd.ConcreteDropout(convolution, **kwargs)


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
    Subject("ConcreteDropout", _wrap, (10,), **_LEARNED),
    Subject("ConcreteDropout-Conv2D", _wrap_convolution, (6, 6, 4), **_LEARNED),
)


def layer_classes() -> set[type[BaseDropout]]:
    """Return every registered dropout layer of this package."""
    return {
        cls
        for cls in registered()
        if issubclass(cls, BaseDropout) and cls.__module__.startswith("keras_dropouts.")
    }
