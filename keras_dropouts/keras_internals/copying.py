"""Copies layers that cannot be made again from a config: the object itself, part by part."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import Any

import keras

from keras_dropouts.keras_internals.versions import first_of
from keras_dropouts.types import Layer

CopyGraph = Callable[[Any, Callable[[Any], Any]], Any]

# Set anew by a layer's `__new__`, around the new layer's own methods.
_OWN = frozenset({"build", "quantize"})
# Objects of these are shared between the two layers: they hold nothing of a layer's.
_SHARED_MODULES = (
    "numpy",
    "tensorflow",
    "jax",
    "torch",
    "builtins",
    "inspect",
    "functools",
    "keras.src.utils.backend_utils",
)


def no_graph(thing: Any, copy: Callable[[Any], Any]) -> None:
    """Copy no graph model: for layers that hold none."""


def copy_layer(layer: Layer, copy_graph: CopyGraph = no_graph) -> Layer:
    """Return a copy of a built layer or model, with weights of its own that have the same values.

    Args:
        copy_graph: Called with each thing inside and with a function that copies a layer; returns
            the copy if the thing is a Functional or Sequential model, whose nodes know the
            operations by their ids, and None otherwise.

    Raises:
        ValueError: if the copy would share a weight with the layer.
    """
    new = _Copier(copy_graph).copy(layer)
    shared = {id(each) for each in layer.variables} & {id(each) for each in new.variables}
    if shared or len(layer.variables) != len(new.variables):
        raise ValueError(f"Layer {layer.name!r} of class {type(layer).__name__} cannot be copied.")
    return new


# The class of all that a Keras model saves, and what notes the parts of a layer; since Keras 3.0.
_Saveable: Any = first_of("copy_layer", "keras.src.saving.keras_saveable:KerasSaveable")
_Tracker: Any = first_of("copy_layer", "keras.src.utils.tracking:Tracker")


class _Copier:
    """Copies objects, each once."""

    def __init__(self, copy_graph: CopyGraph) -> None:
        self.copy_graph = copy_graph
        self.made: dict[int, Any] = {}
        self.alive: list[Any] = []  # an id is only good for as long as the object lives

    def copy(self, thing: Any) -> Any:
        if id(thing) not in self.made:
            self.alive.append(thing)
            self._copy_new(thing)
        return self.made[id(thing)]

    def _keep(self, thing: Any, new: Any) -> Any:
        self.made[id(thing)] = new
        return new

    def _copy_new(self, thing: Any) -> None:
        if isinstance(thing, keras.Variable):
            self._variable(thing)
        elif isinstance(thing, _Saveable):
            self._saveable(thing)
        elif isinstance(thing, _Tracker):
            self._tracker(thing)
        elif isinstance(thing, (list, dict, set)):
            self._container(thing)
        elif isinstance(thing, tuple):
            items = [self.copy(each) for each in thing]
            self._keep(thing, type(thing)(*items) if hasattr(thing, "_fields") else tuple(items))
        elif isinstance(thing, types.MethodType):
            self._keep(thing, types.MethodType(thing.__func__, self.copy(thing.__self__)))
        elif _holds_parts(thing):
            new = self._keep(thing, copy.copy(thing))
            self._fill(thing, new)
        else:
            self._keep(thing, thing)

    def _variable(self, thing: Any) -> None:
        new = keras.Variable(
            keras.ops.convert_to_numpy(thing.value),
            dtype=thing.dtype,
            trainable=thing.trainable,
            autocast=thing._autocast,
            aggregation=thing.aggregation,
            name=thing.name,
        )
        new._path, new.constraint = thing.path, thing.constraint
        self._keep(thing, new)
        # It may compute with other weights of the layer, which the copy has of its own.
        new.regularizer = self.copy(thing.regularizer)

    def _saveable(self, thing: Any) -> None:
        graph = self.copy_graph(thing, self.copy)
        if graph is not None:
            self._keep(thing, graph)
            return
        kind: Any = type(thing)
        self._keep(thing, kind.__new__(kind))
        self._fill(thing, self.made[id(thing)])

    def _fill(self, thing: Any, new: Any) -> None:
        for key, value in vars(thing).items():
            if key in ("_inbound_nodes", "_outbound_nodes"):
                new.__dict__[key] = []  # the copy is in no graph yet
            elif not (key in _OWN and isinstance(thing, keras.layers.Layer)):
                new.__dict__[key] = self.copy(value)

    def _tracker(self, thing: Any) -> None:
        new = self._keep(thing, copy.copy(thing))
        new.config = {
            key: (accepts, self.copy(store)) for key, (accepts, store) in thing.config.items()
        }
        new.stored_ids = {
            key: {id(each) for each in store} for key, (_, store) in new.config.items()
        }

    def _container(self, thing: Any) -> None:
        kind: Any = type(thing)
        new = self._keep(thing, kind.__new__(kind))
        if isinstance(thing, dict):
            dict.update(new, {key: self.copy(value) for key, value in thing.items()})
        elif isinstance(thing, list):
            list.extend(new, [self.copy(each) for each in thing])
        else:
            set.update(new, {self.copy(each) for each in thing})
        if hasattr(thing, "__dict__"):
            new.__dict__.update({key: self.copy(value) for key, value in vars(thing).items()})


def _holds_parts(thing: Any) -> bool:
    """Return whether a thing is an object of someone's own that may hold layers."""
    if isinstance(thing, (type, types.ModuleType, types.FunctionType, keras.DTypePolicy)):
        return False
    module = type(thing).__module__
    return hasattr(thing, "__dict__") and not module.startswith(_SHARED_MODULES)
