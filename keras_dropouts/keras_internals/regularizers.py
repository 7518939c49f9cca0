"""Makes a regularizer of a function, as a variable of every supported Keras takes it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_dropouts.types import Tensor


def as_regularizer(function: Callable[[Tensor], Tensor]) -> keras.regularizers.Regularizer:
    """Return a function of a variable that gives a loss as a regularizer.

    Before Keras 3.15 `Variable.regularizer` takes no plain function.
    """
    return _FunctionRegularizer(function)


class _FunctionRegularizer(keras.regularizers.Regularizer):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, x: Tensor) -> Tensor:
        # The trainer adds the losses up in this dtype, and TensorFlow adds no others to it.
        return keras.ops.cast(self.function(x), keras.config.floatx())
