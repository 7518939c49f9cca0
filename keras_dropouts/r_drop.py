"""Defines RDrop, a model whose training makes two dropout samples of one input agree."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_dropouts.arguments import check_flag, invalid, is_real
from keras_dropouts.registry import register
from keras_dropouts.types import Tensor


@register
class RDrop(keras.Model):
    """A classifier that is trained by R-Drop; `compile` and `fit` work as ever.

    In training each batch goes through the model twice, with different masks, as one batch of
    double size. The loss is

        (loss(y, p1) + loss(y, p2)) / 2 + alpha / 4 * mean(KL(p1 || p2) + KL(p2 || p1)),

    half of the paper's, which sums over the two samples. Otherwise, in `predict` and `evaluate`
    too, it is the wrapped model, which is `model.model` and is what to strip, freeze, export and
    inspect.

    Args:
        model: A Keras model with one output, class probabilities or logits (batch, ...,
            classes), that has dropout in it.
        alpha: Weight of the divergence, a finite number of at least 0; the paper has 1 to 5.
        from_logits: Whether the output is logits.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> head = keras.layers.Dense(3, activation="softmax")
        >>> model = keras.Sequential([keras.Input((4,)), kd.ScheduledDropout(0.5), head])
        >>> trainer = kd.RDrop(model, alpha=1.0)
        >>> trainer.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> x, y = np.ones((6, 4), "float32"), np.array([0, 1, 2, 0, 1, 2])
        >>> history = trainer.fit(x, y, verbose=0)
        >>> model.predict(x, verbose=0).shape
        (6, 3)

    Reference:
        Liang, Wu, Li, Wang, Meng, Qin, Chen, Zhang and Liu, 2021, "R-Drop: regularized dropout
        for neural networks".
    """

    def __init__(
        self, model: keras.Model, alpha: float = 1.0, from_logits: bool = False, **kwargs: Any
    ) -> None:
        if not isinstance(model, keras.Model):
            raise invalid("model", "a keras.Model", model)
        if not is_real(alpha) or not math.isfinite(alpha) or alpha < 0:
            raise invalid("alpha", "a finite number of at least 0", alpha)
        super().__init__(**kwargs)
        self.model = model
        self.alpha = float(alpha)
        self.from_logits = check_flag(from_logits, "from_logits")
        self._doubled = False

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        if not training:
            return self.model(inputs, training=False)
        return self.model(keras.tree.map_structure(_twice, inputs), training=True)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        self._doubled = bool(training)
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        weight = None if sample_weight is None else _twice(sample_weight)
        loss = super().compute_loss(x, _twice(y), y_pred, weight, training)
        divergence = self.alpha / 4.0 * self._divergence(y_pred, sample_weight)
        return loss + ops.cast(divergence, loss.dtype)  # TensorFlow adds no float32 to float64

    def _divergence(self, y_pred: Tensor, sample_weight: Any) -> Tensor:
        """Return the mean of KL(p1 || p2) + KL(p2 || p1) = sum((p1 - p2) * (log p1 - log p2))."""
        y_pred = ops.cast(y_pred, "float32")
        if self.from_logits:
            log = ops.log_softmax(y_pred, axis=-1)
        else:
            log = ops.log(ops.clip(y_pred, keras.config.epsilon(), 1.0))
        first, second = ops.split(log, 2, axis=0)
        both = ops.sum((ops.exp(first) - ops.exp(second)) * (first - second), axis=-1)
        if sample_weight is not None:
            weight = ops.cast(sample_weight, "float32")
            both = both * ops.reshape(weight, (-1,) + (1,) * (len(both.shape) - 1))
        return ops.mean(both)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        if self._doubled:
            y_pred = ops.split(y_pred, 2, axis=0)[0]
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        model = keras.saving.serialize_keras_object(self.model)
        return {
            **super().get_config(),
            "model": model,
            "alpha": self.alpha,
            "from_logits": self.from_logits,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RDrop:
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        return cls(**{**config, "model": model})


def _twice(x: Tensor) -> Tensor:
    return ops.concatenate([x, x], axis=0)
