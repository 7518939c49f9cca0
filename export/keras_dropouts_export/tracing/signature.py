"""Finds out what a model takes: the structure, names, shapes and dtypes of its inputs."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts.keras_internals.graphs import graph_of, is_graph, is_made, made_by
from keras_dropouts.keras_internals.layers import build_shapes, takes_training
from keras_dropouts.types import Tensor


@dataclass(frozen=True)
class Signature:
    """The inputs of a model.

    structure: the arguments of its call, with the index of an input in each leaf; keywords: the
    names of the arguments, or () where they go by position; names: of the inputs; specs: their
    shapes and dtypes, under names that TensorFlow takes.
    """

    structure: Any
    keywords: tuple[str, ...]
    names: list[str]
    specs: list[tf.TensorSpec]

    def arguments(self, flat: list[Tensor]) -> list[Any]:
        """Return the arguments of the model's call for a flat list of tensors."""
        return [keras.tree.map_structure(lambda i: flat[i], each) for each in self.structure]

    def widened(self) -> Signature:
        """Return the signature with float32 in place of bfloat16."""
        return replace(self, specs=[_widened(spec) for spec in self.specs])

    def with_batch(self, size: int | None) -> Signature:
        """Return the signature with another batch size, None for a dynamic one."""
        specs = [
            tf.TensorSpec([size, *spec.shape[1:]], spec.dtype, name=spec.name)
            for spec in self.specs
        ]
        return replace(self, specs=specs)

    def call(self, model: keras.Model, flat: list[Tensor], training: bool | None = False) -> Any:
        """Call `model` on a flat list of tensors, for inference unless `training` says not."""
        arguments = self.arguments(flat)
        extra = {"training": training} if takes_training(model) else {}
        if len(self.keywords) < 2:
            return model(*arguments, **extra)
        return model(**dict(zip(self.keywords, arguments, strict=True)), **extra)


def input_signature(model: keras.Model, given: Any = None) -> Signature:
    """Return the inputs of a built model, from `given` where that is not None.

    `given` is what the model takes as its first argument, or a tuple of several arguments.

    Raises:
        ValueError: if the inputs are not known, or `given` holds something that is not a spec.
    """
    if isinstance(given, Signature):  # of the same model in another process
        return given
    if given is not None:
        return make_signature(list(given) if isinstance(given, tuple) else [given])
    if is_graph(model):
        return make_signature([graph_of(model).input])
    shapes = build_shapes(model)
    if not shapes:
        raise invalid(
            "model",
            "a model whose inputs are known",
            model,
            "Call it once on data, or pass `input_signature` or `sample_inputs`.",
        )
    arguments = {key.removesuffix("_shape"): value for key, value in shapes.items()}
    if len(arguments) == 1:
        name = next(iter(inspect.signature(model.call).parameters), "inputs")
        arguments = {name: next(iter(arguments.values()))}
    specs = [_from_shapes(shape, key, model.input_dtype) for key, shape in arguments.items()]
    return make_signature(specs, tuple(arguments))


def _from_shapes(shape: Any, name: str, dtype: str) -> Any:
    """Return specs for a structure of shapes, with a dynamic batch dimension."""
    if isinstance(shape, dict):
        return {key: _from_shapes(value, key, dtype) for key, value in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return tf.TensorSpec([None, *shape[1:]], dtype, name=name)
    made = [_from_shapes(value, f"{name}_{i}", dtype) for i, value in enumerate(shape)]
    return made if isinstance(shape, list) else tuple(made)


def make_signature(arguments: list[Any], keywords: tuple[str, ...] = ()) -> Signature:
    """Return the signature of arguments whose leaves are specs or tensors of Keras.

    keywords: the names of the arguments, or () where they go by position.
    """
    labels = keywords or ("",) * len(arguments)
    flat = [
        pair
        for each, label in zip(arguments, labels, strict=True)
        for pair in _flatten(each, label)
    ]
    names = unique_names([_argument(name) for name, _ in flat], [])
    plain = unique_names([_identifier(name) for name in names], [])
    specs = [_spec(x, name) for name, (_, x) in zip(plain, flat, strict=True)]
    counter = iter(range(len(specs)))
    structure = keras.tree.map_structure(lambda _: next(counter), arguments)
    return Signature(structure, keywords, names, specs)


def _flatten(argument: Any, label: str) -> list[tuple[str, Any]]:
    pairs = []
    for path, x in keras.tree.flatten_with_path(argument):
        keys = "_".join(str(part) for part in path if isinstance(part, str))
        name = made_by(x)[0].name if is_made(x) else getattr(x, "name", None)
        pairs.append((name or keys or label or "input", x))
    return pairs


def _argument(name: str) -> str:
    """Return `name`, with an underscore where it is a word of Python, which no argument can be."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _identifier(name: str) -> str:
    """Return `name` as the name of an argument; TensorFlow would change and log others."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain[0].isalpha() else f"arg_{plain}"


def _spec(x: Any, name: str) -> tf.TensorSpec:
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if shape is None or dtype is None:
        raise invalid(
            "input_signature", "a structure of tf.TensorSpec or keras.InputSpec with dtype", x
        )
    return tf.TensorSpec(shape, keras.backend.standardize_dtype(dtype), name=name)


def _widened(spec: tf.TensorSpec) -> tf.TensorSpec:
    if spec.dtype != tf.bfloat16:
        return spec
    return tf.TensorSpec(spec.shape, tf.float32, name=spec.name)


def unique_names(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return `names` with `_1`, `_2` ... after those that are taken by then."""
    used = set(taken)
    result = []
    for name in names:
        number, unique = 0, name
        while unique in used:
            number += 1
            unique = f"{name}_{number}"
        used.add(unique)
        result.append(unique)
    return result
