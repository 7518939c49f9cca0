"""Picks the module of the backend that Keras runs on, and offers its functions.

Each backend has three modules with the same functions: one that draws random numbers
(`draws_*.py`), one that computes with them, and one that tells what runs around a call of a layer
(`calls_*.py`). No other file of this package imports a backend. Only those of the backend that
Keras runs on, which Keras has imported by then, are imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

_BACKENDS = ("tensorflow", "jax", "torch")  # each is the name of its package, too

try:
    import keras
except ModuleNotFoundError as error:
    if error.name not in _BACKENDS:
        raise
    raise ModuleNotFoundError(
        f"Keras is set to run on the backend {error.name!r}, which is not installed: run "
        f"`pip install {error.name}`, or set the environment variable KERAS_BACKEND to "
        f"a backend that is, one of {', '.join(_BACKENDS)}.",
        name=error.name,
    ) from error

_backend = keras.backend.backend()

if TYPE_CHECKING or _backend == "tensorflow":
    from keras_dropouts.backends.calls_tensorflow import (
        in_backward_pass,
        is_compiled_by_xla,
        is_compiling,
        numbered_by_loops,
        outside_inner_traces,
        recomputations,
        trace,
    )
    from keras_dropouts.backends.draws_tensorflow import (
        decisions,
        sample_decisions,
        sample_words,
        words,
    )
    from keras_dropouts.backends.tensorflow import (
        compiled,
        computed_once,
        full_precision,
        mapped_rows,
        masked,
        outside_traces,
        padded,
        read,
        traced_operations,
    )
elif _backend == "jax":
    from keras_dropouts.backends.calls_jax import (
        in_backward_pass,
        is_compiled_by_xla,
        is_compiling,
        numbered_by_loops,
        outside_inner_traces,
        recomputations,
        trace,
    )
    from keras_dropouts.backends.draws_jax import (
        decisions,
        sample_decisions,
        sample_words,
        words,
    )
    from keras_dropouts.backends.jax import (
        compiled,
        computed_once,
        full_precision,
        mapped_rows,
        masked,
        outside_traces,
        padded,
        read,
        traced_operations,
    )
elif _backend == "torch":
    from keras_dropouts.backends.calls_torch import (
        in_backward_pass,
        is_compiled_by_xla,
        is_compiling,
        numbered_by_loops,
        outside_inner_traces,
        recomputations,
        trace,
    )
    from keras_dropouts.backends.draws_torch import (
        decisions,
        sample_decisions,
        sample_words,
        words,
    )
    from keras_dropouts.backends.torch import (
        compiled,
        computed_once,
        full_precision,
        mapped_rows,
        masked,
        outside_traces,
        padded,
        read,
        traced_operations,
    )
else:

    def __getattr__(name: str) -> Any:
        """Raise a clear error where a layer draws on a backend that has no module here."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        raise NotImplementedError(
            f"keras_dropouts drops on the backends {', '.join(_BACKENDS)}, and Keras runs on "
            f"{_backend!r}: set the environment variable KERAS_BACKEND to one of them."
        )


__all__ = [
    "compiled",
    "computed_once",
    "decisions",
    "full_precision",
    "in_backward_pass",
    "is_compiled_by_xla",
    "is_compiling",
    "mapped_rows",
    "masked",
    "numbered_by_loops",
    "outside_inner_traces",
    "outside_traces",
    "padded",
    "read",
    "recomputations",
    "sample_decisions",
    "sample_words",
    "trace",
    "traced_operations",
    "words",
]
