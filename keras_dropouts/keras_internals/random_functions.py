"""The functions that all of `keras.random` and every layer of Keras draws random numbers with."""

from __future__ import annotations

from typing import Any

from keras_dropouts.keras_internals.versions import first_of

# The module `keras.src.backend.random` of the backend that runs, since Keras 3.0.
BACKEND_RANDOM: Any = first_of("BACKEND_RANDOM", "keras.src.backend:random")

# The names of the functions of that module that draw, since Keras 3.2.
DRAWS = (
    *("beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle"),
    *("truncated_normal", "uniform"),
)
