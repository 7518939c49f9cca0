"""Defines the layer that every calibration derives from, and what calibrations share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts.arguments import invalid
from keras_dropouts.types import Tensor

SMALLEST = 1e-30  # the least probability that a logarithm is taken of


class Calibration(keras.layers.Layer):
    """A layer that maps predictions to better calibrated ones of the same shape.

    It can stand at the end of a model, in which it is saved and exported like any layer, and no
    rate is in it, so that nothing strips it. It computes in float32 or more, and returns the dtype
    of its input.
    """

    ending = "calibrated"  # of the output that an artifact has it under
    within = False  # whether it is for each Monte-Carlo sample, and not for their mean
    classes: int | None = None  # None where it takes any number of them

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trainable=False, autocast=False, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Check how many classes the inputs have, where it was fitted to so many."""
        units = input_shape[-1] if len(input_shape) > 1 else 1
        if self.classes not in (None, 2 if units == 1 else units):
            expected = f"probabilities of {self.classes} classes, as it was fitted to"
            raise invalid("inputs", expected, f"shape {tuple(input_shape)}")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Return the calibrated predictions."""
        inputs = ops.convert_to_tensor(inputs)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        wide = dtype if dtype in ("float32", "float64") else "float32"
        return ops.cast(self.scaled(ops.cast(inputs, wide), ops), dtype)

    def scaled(self, predictions: Any, xp: Any) -> Any:
        """Return the calibrated predictions. xp: NumPy, or `keras.ops` for tensors."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    @property
    def endings(self) -> tuple[str, ...]:
        """How the output of an artifact ends that has it; see `ServedDecision`."""
        return (self.ending,)

    @property
    def needs(self) -> frozenset[str]:
        """What it is a function of beside the mean; see `ServedDecision`."""
        return frozenset()

    def served(
        self, mean: Any, std: Any = None, mutual_information: Any = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return {"calibrated": the calibrated mean}; see `ServedDecision`."""
        return {self.ending: self.scaled(mean, xp)}

    def margin(
        self, mean: Any, std: Any = None, mutual_information: Any = None
    ) -> dict[str, np.ndarray]:
        """Return nothing: no decision is made; see `ServedDecision`."""
        return {}

    def for_samples(self, samples: int | None) -> Calibration:
        """Return the calibration as it is: it is of one function of predictions.

        Raises:
            ValueError: if it is for each sample, and not for their mean.
        """
        if self.within:
            raise invalid(
                "calibration",
                "a calibration of the mean of samples, or of an output without samples",
                "one that was found with within=True",
                "Put it at the end of the model: keras.Sequential([model, calibration]).",
            )
        return self

    def check(self, shape: tuple[int | None, ...], name: str) -> None:
        """Raise a clear error where an output of this shape has no classes."""
        if len(shape) < 2:
            expected = f"what fits output {name!r}, of shape {shape}: it has no classes"
            raise invalid("calibration", expected, self)

    def numbers(self) -> dict[str, Any]:
        """Return the numbers that it was fitted to, by the arguments of the class."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        return {**{k: config[k] for k in ("name", "dtype") if k in config}, **self.numbers()}

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as JSON can hold it."""
        return {"kind": type(self).__name__, **self.numbers()}


def widened(p: Any, xp: Any) -> Any:
    """Return probabilities of two classes where one unit, or a number a row, stands for them."""
    if len(p.shape) == 1:
        p = p[:, None]
    return p if p.shape[-1] > 1 else xp.concatenate([1.0 - p, p], axis=-1)


def narrowed(p: Any, like: Any) -> Any:
    """Return the probability of the second class alone, where `like` is that."""
    if len(like.shape) == 1:
        return p[:, 1]
    return p if like.shape[-1] > 1 else p[..., 1:]


def check_classes(decision: Any, shape: tuple[int | None, ...], name: str, classes: int) -> None:
    """Raise a clear error unless an output has so many classes, one unit standing for two."""
    found = (shape or (None,))[-1]
    if len(shape) < 2 or (2 if found == 1 else found) != classes:
        expected = f"what fits output {name!r}, of shape {shape}; this one is for {classes} classes"
        raise invalid("calibration", expected, decision)
