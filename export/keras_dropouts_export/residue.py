"""Which layers of a model draw random numbers when it predicts, found by tracing it."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropouts_export.audit import audit_graph
from keras_dropouts_export.inference import plain_function
from keras_dropouts_export.signature import input_signature

_KNOWN = ("keras.", "keras_dropouts.")


def random_layers(model: keras.Model) -> list[str]:
    """Return the paths of layers that draw random numbers in `model(x, training=False)`.

    Layers of Keras and of this package are known not to; only a model with others in it is
    traced, and only where Keras runs on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow" or all(map(_known, model._flatten_layers())):
        return []
    graph = plain_function(model, input_signature(model)).graph
    found = audit_graph(graph, model.name).random_ops
    return sorted({_layer_of(each.name) for each in found})


def _known(layer: Any) -> bool:
    module = type(layer).__module__
    return module.startswith(_KNOWN) and not isinstance(layer, keras.layers.Lambda)


def _layer_of(operation: str) -> str:
    """Return the scopes around an operation, which are the names of the layers it is in."""
    parts = [part for part in operation.split("/")[:-1] if not part.startswith("stateless")]
    return repr("/".join(parts))
