"""Refuses models that keep state from one call to the next."""

from __future__ import annotations

import keras

from keras_dropouts.surgery.sources import walk
from keras_dropouts_export.errors import ExportError


def check_stateless(model: keras.Model) -> None:
    """Raise a clear error for recurrent layers that go on where the last call ended."""
    kept = [
        path
        for path, layer in walk(model)
        if isinstance(layer, keras.layers.RNN) and layer.stateful
    ]
    if kept:
        raise ExportError(
            f"Model {model.name!r} keeps its state from one call to the next in "
            f"{', '.join(map(repr, kept))}, so two users of one server would mix theirs. Make the "
            f"model again with stateful=False, which has the same weights, and let it take and "
            f"return the state (`initial_state`, `return_state=True`) where a call has to go on."
        )
