"""Finds the layers of a model that draw random numbers when it predicts, by tracing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import compute_output_spec, parts
from keras_dropouts.keras_internals.patching import replaced_in_thread, restored_after_calls
from keras_dropouts.keras_internals.random_functions import BACKEND_RANDOM, DRAWS
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts_export.checks.audit import audit_graph
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.tracing.inference_function import plain_function
from keras_dropouts_export.tracing.inference_mode import training_is_false
from keras_dropouts_export.tracing.sample_inputs import SampleInputs, known_signature
from keras_dropouts_export.tracing.signature import Signature

_KNOWN = ("keras.", "keras_dropouts.")


def random_layers(model: keras.Model, samples: SampleInputs | None = None) -> list[str]:
    """Return the paths of layers that draw random numbers in `model(x, training=False)`.

    Layers of Keras and of this package are known not to; only a model with others in it is
    traced. On TensorFlow its graph shows every draw; on other backends those through
    `keras.random` are found, and those of a backend's own functions (`jax.random`) are not.
    `samples` are inputs of the model, which tell dtypes and ranks where its graph is not known.

    Raises:
        ExportError: if the model cannot be traced.
    """
    if all(map(_known, parts(model))):
        return []
    signature = known_signature(model, None, samples)
    if keras.backend.backend() != "tensorflow":
        return _seen_to_draw(model, signature)
    found = audit_graph(plain_function(model, signature).graph, model.name).random_ops
    return sorted({_layer_of(each.name) for each in found})


def _known(layer: Any) -> bool:
    module = type(layer).__module__
    return module.startswith(_KNOWN) and not isinstance(layer, keras.layers.Lambda)


def _layer_of(operation: str) -> str:
    """Return the scopes around an operation, which are the names of the layers it is in."""
    parts = [part for part in operation.split("/")[:-1] if not part.startswith("stateless")]
    return repr("/".join(parts))


def _seen_to_draw(model: keras.Model, signature: Signature) -> list[str]:
    tensors = [keras.KerasTensor(spec.shape.as_list(), spec.dtype.name) for spec in signature.specs]
    found: set[str] = set()
    with restored_after_calls(model), training_is_false(BaseDropout), _draws_noted(found):
        try:
            compute_output_spec(lambda *flat: signature.call(model, list(flat)), *tensors)
        except Exception as error:  # whatever a user's own `call` may raise
            raise ExportError(
                f"Model {model.name!r} cannot be called on "
                f"{[str(spec) for spec in signature.specs]}, so what it draws at inference is not "
                f"known: {error}"
            ) from error
    return sorted(repr(path) for path in found)


@contextmanager
def _draws_noted(found: set[str]) -> Iterator[None]:
    """Add to `found` the names of the layers, outermost first, that this thread draws in."""
    inside: list[str] = []

    def named(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            inside.append(self.name)
            try:
                return original(self, *args, **kwargs)
            finally:
                inside.pop()

        return call

    def noted(original: Any) -> Any:
        def draw(*args: Any, **kwargs: Any) -> Any:
            found.add("/".join(inside))
            return original(*args, **kwargs)

        return draw

    with ExitStack() as stack:
        stack.enter_context(replaced_in_thread(keras.layers.Layer, "__call__", named))
        for name in DRAWS:
            stack.enter_context(replaced_in_thread(BACKEND_RANDOM, name, noted))
        yield
