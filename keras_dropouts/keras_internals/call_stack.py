"""Which place a layer has in the model that runs: what keeps apart two layers with one seed.

Keras has no public way to ask this. All that we know of its call stack is in this file.
"""

from __future__ import annotations

import weakref
from typing import Any

from keras.src.backend.common import global_state

_owners: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_places: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, int]] = (
    weakref.WeakKeyDictionary()
)


def register_key(layer: Any, key: Any) -> None:
    """Note that the variable `key` is the one that tells of `layer`'s place."""
    _owners[id(key)] = layer


def place_in_model(layer: Any, key: Any) -> int:
    """Return the place of `layer` among the layers with a key in the model that is running.

    Counted in the order of the model's variables: a model that runs as a pure function
    (`stateless_call`, as JAX trains) is known only by the variables it was handed. So the place
    is the same in each way to run. A layer that is called on its own has place 0.
    """
    scope = global_state.get_global_attribute("stateless_scope")
    if scope is not None and id(key) in scope.state_mapping:
        return [each for each in scope.state_mapping if each in _owners].index(id(key))
    context = global_state.get_global_attribute("current_call_ctx")
    entry = layer if context is None else context.entry_layer
    places = _places.get(entry)
    if places is None or layer not in places:
        owners = [_owners.get(id(variable)) for variable in entry.non_trainable_variables]
        members = [owner for owner in owners if owner is not None]
        places = weakref.WeakKeyDictionary({member: i for i, member in enumerate(members)})
        _places[entry] = places
    return places.get(layer, 0)
