"""Which place a layer has in the model that runs: what keeps apart two layers with one seed.

Keras has no public way to ask this. All that we know of its call stack is in this file.
"""

from __future__ import annotations

import weakref
from typing import Any

from keras.src.backend.common import global_state

_places: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, int]] = (
    weakref.WeakKeyDictionary()
)


def place_in_model(layer: Any, variable: Any) -> int:
    """Return the place of `layer` among the layers of its kind in the model that is running.

    The kind is the base class that defines the layer's `step`. A layer that is called on its own
    has place 0. `variable` is a variable of the layer's: a model that runs as a pure function
    (`stateless_call`, as JAX trains) is known only by the variables it was handed.
    """
    scope = global_state.get_global_attribute("stateless_scope")
    if scope is not None and id(variable) in scope.state_mapping:
        return list(scope.state_mapping).index(id(variable))
    context = global_state.get_global_attribute("current_call_ctx")
    entry = layer if context is None else context.entry_layer
    places = _places.get(entry)
    if places is None or layer not in places:
        kind = next(base for base in type(layer).__mro__ if "_next_stream" in vars(base))
        members = [member for member in entry._flatten_layers() if isinstance(member, kind)]
        places = weakref.WeakKeyDictionary({member: i for i, member in enumerate(members)})
        _places[entry] = places
    return places.get(layer, 0)
