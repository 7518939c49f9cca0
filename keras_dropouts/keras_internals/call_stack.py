"""Where in the model that runs a layer is, from what Keras knows of the calls under way."""

from __future__ import annotations

import weakref
from typing import Any

from keras_dropouts.keras_internals.versions import first_of

_get_global_attribute = first_of(
    "place_in_model", "keras.src.backend.common.global_state:get_global_attribute"
)
_owners: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_places: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, int]] = (
    weakref.WeakKeyDictionary()
)


def register_key(layer: Any, key: Any) -> None:
    """Note that the variable `key` is the one by which the place of `layer` is found."""
    _owners[id(key)] = layer


def place_in_model(layer: Any, key: Any) -> int:
    """Return the place of `layer` among the layers with a key in the model that is running.

    Counted in the order of the model's variables: a model that runs as a pure function
    (`stateless_call`, as JAX trains) is known only by the variables it was handed. So the place
    is the same in each way to run. A layer that is called on its own has place 0.

    Relies on the global attributes "stateless_scope" and "current_call_ctx", since Keras 3.0.
    """
    scope = _get_global_attribute("stateless_scope")
    if scope is not None and id(key) in scope.state_mapping:
        return [each for each in scope.state_mapping if each in _owners].index(id(key))
    context = _get_global_attribute("current_call_ctx")
    entry = layer if context is None else context.entry_layer
    places = _places.get(entry)
    if places is None or layer not in places:
        owners = [_owners.get(id(variable)) for variable in entry.non_trainable_variables]
        members = [owner for owner in owners if owner is not None]
        places = weakref.WeakKeyDictionary({member: i for i, member in enumerate(members)})
        _places[entry] = places
    return places.get(layer, 0)


def stateless_scope(variable: Any) -> Any:
    """Return the scope of the pure function that is running and was handed `variable`, or None.

    Relies on the global attribute "stateless_scope", since Keras 3.0.
    """
    scope = _get_global_attribute("stateless_scope")
    return None if scope is None or id(variable) not in scope.state_mapping else scope


def call_context() -> Any:
    """Return an object that is there for the time of the outermost call of a layer, or None.

    Relies on the global attribute "current_call_ctx", since Keras 3.0.
    """
    return _get_global_attribute("current_call_ctx")


def name_scopes() -> list[Any]:
    """Return Keras's own list of the names around the layer that is running, outermost first.

    Relies on the global attribute "name_scope_stack", since Keras 3.0.
    """
    scopes = _get_global_attribute("name_scope_stack")
    return [] if scopes is None else scopes


def outside_stateless_scope(variable: Any) -> bool:
    """Return whether a pure function is running that knows nothing of `variable`.

    Relies on the global attribute "stateless_scope", since Keras 3.0.
    """
    scope = _get_global_attribute("stateless_scope")
    return scope is not None and id(variable) not in scope.state_mapping
