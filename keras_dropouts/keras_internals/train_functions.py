"""Runs each train step of Keras inside a context, in every model and from then on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras

from keras_dropouts.keras_internals.versions import unsupported


def run_train_steps_within(context: Callable[[], AbstractContextManager[None]]) -> None:
    """Enter a context around each train step of `fit` and `train_on_batch`.

    Nothing else tells the layers where a step that runs eagerly begins: the user's own
    `train_step` may call the model as often as it likes. Several steps of one execution
    (`steps_per_execution`) are left alone. Relies on `make_train_function`, a public method of the
    class that `keras.Model` has its `fit` from, which sets `train_function`, since Keras 3.0.
    """
    trainer: Any = next(
        (cls for cls in keras.Model.__mro__ if "make_train_function" in vars(cls)), None
    )
    if trainer is None:
        raise unsupported("`run_train_steps_within` needs `keras.Model.make_train_function`")
    original = trainer.make_train_function

    @functools.wraps(original)
    def make_train_function(model: Any, *args: Any, **kwargs: Any) -> Any:
        before = model.train_function
        result = original(model, *args, **kwargs)
        function = model.train_function
        if function is None or function is before or model.steps_per_execution != 1:
            return result

        @functools.wraps(function)
        def one_step(*arguments: Any, **options: Any) -> Any:
            with context():
                return function(*arguments, **options)

        model.train_function = one_step
        return result

    trainer.make_train_function = make_train_function
