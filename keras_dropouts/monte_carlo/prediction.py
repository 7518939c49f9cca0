"""What Monte-Carlo sampling predicts: samples, their mean and spread, and uncertainty measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.entropy import entropy
from keras_dropouts.monte_carlo.prediction_picture import prediction_html


@dataclass(frozen=True)
class MonteCarloPrediction:
    """Predictions of T sub-networks for N rows of data.

    samples: float array of shape (T, N, ...), or a structure of such, as the model's outputs are;
    None where only their moments were kept. seed: the seed of the masks, None where each row was
    given its own. moments: the mean and the standard deviation where no samples were kept. Every
    other value has the structure of the outputs, too.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> samples = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])  # two samples that contradict each other
    >>> prediction = kd.MonteCarloPrediction(samples, seed=1)
    >>> prediction.mean, prediction.std
    (array([[0.5, 0.5]]), array([[0.5, 0.5]]))
    >>> prediction.predictive_entropy.round(3), np.abs(prediction.expected_entropy)
    (array([0.693]), array([0.]))
    >>> prediction.mutual_information.round(3)
    array([0.693])
    """

    samples: Any
    seed: int | None
    moments: tuple[Any, Any] | None = None

    @property
    def mean(self) -> Any:
        """The mean over the samples, of shape (N, ...)."""
        if self.moments is not None:
            return self.moments[0]
        return self._each(lambda x: np.mean(x, axis=0, dtype="float64").astype(x.dtype))

    @property
    def std(self) -> Any:
        """The standard deviation over the samples (divided by T), of shape (N, ...)."""
        if self.moments is not None:
            return self.moments[1]
        return self._each(lambda x: np.std(x, axis=0, dtype="float64").astype(x.dtype))

    @property
    def predictive_entropy(self) -> Any:
        """The entropy of the mean prediction in nats, of shape (N, ...): all uncertainty.

        H[mean_t p_t] = -sum_c p_c log p_c over the classes c of the last axis. With one unit the
        classes are it and its opposite.

        Raises:
            ValueError: if the outputs are no probabilities; see `as_probabilities`.
        """
        return self._each(lambda x: entropy(np.mean(_probabilities(x), axis=0)))

    @property
    def expected_entropy(self) -> Any:
        """The mean entropy of the samples, of shape (N, ...): uncertainty that data cannot lift.

        mean_t H[p_t], in nats. Raises as `predictive_entropy` does.
        """
        return self._each(lambda x: np.mean(entropy(_probabilities(x)), axis=0))

    @property
    def mutual_information(self) -> Any:
        """How far the samples disagree, of shape (N, ...): the model's own uncertainty.

        I = H[mean_t p_t] - mean_t H[p_t], in nats, at least 0. Raises as `predictive_entropy` does.

        Reference:
            Houlsby, Huszar, Ghahramani and Lengyel, 2011, "Bayesian active learning for
            classification and preference learning"; Gal, 2016, "Uncertainty in deep learning".
        """
        difference = keras.tree.map_structure(
            np.subtract, self.predictive_entropy, self.expected_entropy
        )
        return keras.tree.map_structure(lambda x: np.maximum(x, 0.0), difference)

    def as_probabilities(self) -> MonteCarloPrediction:
        """Return the prediction of a model whose outputs are logits, as probabilities.

        A softmax over the last axis, or with one unit a sigmoid, of each sample.

        Example:

        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> logits = kd.MonteCarloPrediction(np.zeros((8, 1, 4)), seed=1)
        >>> logits.as_probabilities().mean
        array([[0.25, 0.25, 0.25, 0.25]])
        """
        return replace(self, samples=self._each(_from_logits))

    def _each(self, function: Callable[[np.ndarray], np.ndarray]) -> Any:
        if self.samples is None:
            expected = "the samples, of which only the mean and standard deviation were kept"
            raise invalid("samples", expected, None, "Predict again without `reduce`.")
        return keras.tree.map_structure(function, self.samples)

    def __repr__(self) -> str:
        what, held = ("samples", self.samples) if self.moments is None else ("mean", self.mean)
        shapes = keras.tree.map_structure(lambda x: x.shape, held)
        return f"MonteCarloPrediction({what} of shape {shapes}, seed={self.seed})"

    def _repr_html_(self) -> str:
        """Return mean and spread of the first rows as a small picture for a notebook."""
        mean, std = (keras.tree.flatten(each) for each in (self.mean, self.std))
        return prediction_html(repr(self), mean, std)


def _probabilities(samples: np.ndarray) -> np.ndarray:
    values = samples.astype("float64")
    sums = values.sum(axis=-1) if values.shape[-1] > 1 else np.ones(())
    inside = values.size == 0 or (values.min() >= 0.0 and values.max() <= 1.0 + 1e-3)
    if samples.ndim < 3 or not inside or not np.allclose(sums, 1.0, atol=1e-2, rtol=0.0):
        raise invalid(
            "samples",
            "class probabilities along the last axis, in [0, 1] and with the sum 1",
            samples,
            "Take `.as_probabilities()` first where the model's outputs are logits.",
        )
    return np.clip(values, 0.0, 1.0)


def _from_logits(samples: np.ndarray) -> np.ndarray:
    logits = samples.astype("float64")
    if logits.shape[-1] == 1:
        return (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(samples.dtype)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(samples.dtype)
