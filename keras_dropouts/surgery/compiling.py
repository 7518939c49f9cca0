"""Compiles a model that was made from another one as that one is compiled."""

from __future__ import annotations

import warnings

import keras


def compile_like(old: keras.Model, new: keras.Model) -> None:
    """Compile a new model with the losses of an old one, and an optimizer and metrics like its.

    The optimizer has the same settings, the learning rate of now included, and begins anew. Where
    one of them cannot be made again, as a metric that is a lambda, the new model is not compiled,
    which a warning says.
    """
    if not old.compiled:
        return
    try:
        with warnings.catch_warnings():
            # That a lambda should not be saved: nothing is saved here.
            warnings.filterwarnings("ignore", message="(?s).*includes a `lambda`")
            config = old.get_compile_config()
        # Losses hold no state, and not all of Keras's are the same when they are made again
        # (Huber 3.15 forgets its delta).
        made = {name: each for name, each in config.items() if name != "loss"}
        new.compile(loss=old.loss, **keras.saving.deserialize_keras_object(made))
    except Exception as error:  # noqa: BLE001  (whatever a loss or metric of a user's may raise)
        warnings.warn(
            f"Model {new.name!r} is not compiled, as what model {old.name!r} was compiled with "
            f"cannot be made again: {error} Call `compile` before `fit`.",
            stacklevel=3,
        )
