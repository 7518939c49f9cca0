"""Reads inputs that a user chose to try a model with, and matches them with the model's inputs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import is_graph
from keras_dropouts.keras_internals.layers import build_shapes
from keras_dropouts_export.tracing.sample_arrays import as_arrays, cast, shown
from keras_dropouts_export.tracing.signature import (
    Signature,
    input_signature,
    make_signature,
)

_NOT_INPUTS = ("training", "mask")  # arguments of `call` that Keras passes itself
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class SampleInputs:
    """Inputs to try a model with, in the structure that the model takes.

    Args:
        given: An array, or a tuple, list or dict of arrays, tensors or lists of numbers, as the
            model takes them; or a dict of them by the names of the model's inputs. All have at
            least one element.
        argument: What the user knows them by.

    Raises:
        ValueError: if something in it is no such array.
    """

    given: Any
    argument: str = "sample_inputs"

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", as_arrays(self.given, self.argument))

    @classmethod
    def asked_for(cls, given: Any, argument: str = "sample_inputs") -> SampleInputs | None:
        """Return the option, or None where nothing was given."""
        return None if given is None else cls(given, argument)

    def by_name(self, signature: Signature) -> dict[str, np.ndarray]:
        """Return the arrays by the names of the inputs, in the dtypes of the inputs.

        Raises:
            ValueError: if an input is missing or unknown, or has another shape or dtype.
        """
        flat = self._flat(signature)
        rows = zip(signature.names, signature.specs, flat, strict=True)
        return {name: _checked(name, spec, array, self.argument) for name, spec, array in rows}

    def signature(self, model: keras.Model) -> Signature:
        """Return the inputs of a model whose graph is not known, dtypes and ranks from the arrays.

        A dimension stays fixed where the model was built with the size that the array has.
        """
        known = input_signature(model) if build_shapes(model) else None
        arguments, keywords = self._arguments(model, known)
        count = len(keras.tree.flatten(arguments))
        same = known is not None and len(known.specs) == count
        built = iter(known.specs if known is not None and same else [None] * count)
        specs = [
            _named_specs(argument, name, built, model.input_dtype)
            for argument, name in zip(arguments, keywords, strict=True)
        ]
        return make_signature(specs, keywords)

    def _arguments(
        self, model: keras.Model, known: Signature | None
    ) -> tuple[list[Any], tuple[str, ...]]:
        """Return the arguments of the model's call that the arrays stand for, and their names."""
        parameters = [
            each
            for name, each in inspect.signature(model.call).parameters.items()
            if name not in _NOT_INPUTS and each.kind not in _VARIADIC
        ]
        names = [each.name for each in parameters]
        needed = {each.name for each in parameters if each.default is inspect.Parameter.empty}
        if isinstance(self.given, dict) and needed <= set(self.given) <= set(names):
            keywords = tuple(name for name in names if name in self.given)
            return [self.given[name] for name in keywords], keywords
        if len(needed) > 1:
            if isinstance(self.given, dict) or not len(needed) <= len(_listed(self.given)):
                raise invalid(self.argument, f"one for each of {names}", shown(self.given))
            return list(self.given), tuple(names[: len(self.given)])
        if known is not None and _is_by_name(self.given, known.names):
            return known.arguments([self.given[name] for name in known.names]), tuple(names[:1])
        return [self.given], tuple(names[:1])

    def _flat(self, signature: Signature) -> list[np.ndarray]:
        if _is_by_name(self.given, signature.names):
            return [self.given[name] for name in signature.names]
        structure = signature.structure
        wanted = structure[0] if len(structure) == 1 else list(structure)
        if isinstance(self.given, dict) and set(self.given) == set(signature.keywords):
            wanted = dict(zip(signature.keywords, structure, strict=True))
        found: dict[int, np.ndarray] = {}
        if not _matched(wanted, self.given, found):
            names = keras.tree.map_structure(lambda i: signature.names[i], wanted)
            raise invalid(
                self.argument,
                f"arrays for the inputs {names}, in this structure or as a dict with the keys "
                f"{signature.names}",
                shown(self.given),
            )
        return [found[i] for i in range(len(signature.names))]


def known_signature(
    model: keras.Model, given: Any = None, samples: SampleInputs | None = None
) -> Signature:
    """Return the inputs of a model: as `given` says, as its graph does, or as `samples` do.

    Raises:
        ValueError: if the inputs are not known.
    """
    if given is not None or samples is None or is_graph(model):
        return input_signature(model, given)
    return samples.signature(model)


def _is_by_name(given: Any, names: list[str]) -> bool:
    return (
        isinstance(given, dict)
        and set(given) == set(names)
        and all(isinstance(each, np.ndarray) for each in given.values())
    )


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _matched(wanted: Any, given: Any, found: dict[int, np.ndarray]) -> bool:
    """Put the arrays of a structure into `found`, and return whether it is the wanted one."""
    if isinstance(wanted, int):
        if isinstance(given, (list, tuple)) and len(given) == 1:
            given = given[0]  # as Keras takes a list of one for one input
        if isinstance(given, np.ndarray):
            found[wanted] = given
            return True
        return False
    if isinstance(wanted, dict):
        same = isinstance(given, dict) and set(given) == set(wanted)
        return same and all(_matched(wanted[key], given[key], found) for key in wanted)
    if len(wanted) == 1 and isinstance(given, np.ndarray):
        given = [given]
    same = isinstance(given, (list, tuple)) and len(given) == len(wanted)
    return same and all(_matched(a, b, found) for a, b in zip(wanted, given, strict=True))


def _checked(name: str, spec: tf.TensorSpec, array: np.ndarray, argument: str) -> np.ndarray:
    if spec.shape.rank is not None and not spec.shape.is_compatible_with(array.shape):
        sizes = [size or "any" for size in spec.shape.as_list()]
        expected = f"an array of shape [{', '.join(map(str, sizes))}] for input {name!r}"
        raise invalid(argument, expected, shown(array))
    return cast(array, spec.dtype.name, name, argument)


def _named_specs(given: Any, name: str, built: Iterator[Any], floats: str) -> Any:
    """Return specs for a structure of arrays, under the names that they have without samples."""
    if isinstance(given, dict):
        return {key: _named_specs(given[key], key, built, floats) for key in sorted(given)}
    if isinstance(given, (list, tuple)):
        pairs = enumerate(given)
        made = [_named_specs(each, f"{name}_{i}", built, floats) for i, each in pairs]
        return made if isinstance(given, list) else tuple(made)
    return _spec(given, name, next(built), floats)


def _spec(array: np.ndarray, name: str, built: tf.TensorSpec | None, floats: str) -> tf.TensorSpec:
    """Return the spec of an input from a sample of it, and from what the model was built with."""
    dtype = "string" if array.dtype.kind == "O" else array.dtype.name
    if array.dtype.kind == "f" and "float" in floats:
        dtype = floats
    sizes: list[int | None] = [None, *array.shape[1:]] if array.ndim else []
    if built is not None and built.shape.rank == array.ndim:
        pairs = zip(sizes, built.shape.as_list(), strict=True)
        sizes = [size if size == before else None for size, before in pairs]
    return tf.TensorSpec(sizes, dtype, name=name)
