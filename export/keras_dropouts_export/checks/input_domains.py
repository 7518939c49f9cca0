"""Finds out which values the inputs of a model may have, from the layers that take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_dropouts.keras_internals.graphs import graph_of, is_graph, made_by, outbound_nodes
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_UNKNOWN_WORDS = ("unheard", "of", "zzz")
_UNKNOWN_NUMBER = 1_000_003


@dataclass(frozen=True)
class Domain:
    """The values of one input.

    below, least: integers stay below the first, at the second or above; choices: the integers or
    strings to choose from, those of a vocabulary and some that are not in it, or None; words: how
    many strings make one value, joined by spaces.
    """

    below: int = 2
    choices: tuple[Any, ...] | None = None
    words: int = 1
    least: int = 0

    def draw(self, shape: list[int], dtype: str, random: np.random.Generator) -> np.ndarray:
        """Return random values of an integer or string dtype."""
        kind = str if dtype == "string" else int
        choices = [each for each in self.choices or () if isinstance(each, kind)]
        if not choices and kind is int:
            return random.integers(self.least, self.below, shape).astype(dtype)
        choices = choices or list(_UNKNOWN_WORDS)
        picked = random.integers(0, len(choices), [*shape, self.words])
        if kind is int:
            return np.array(choices)[picked[..., 0]].astype(dtype)
        flat = [" ".join(choices[i] for i in row) for row in picked.reshape(-1, self.words)]
        return np.array(flat, dtype=object).reshape(shape)


SEEDS = Domain(below=2**63 - 1, least=-(2**63))


def input_domains(function: InferenceFunction) -> dict[str, Domain]:
    """Return the domain of each input of a function.

    In a graph it is that of the first layers that an input leads to and that have one; in a
    subclassed model the narrowest of all layers.
    """
    model = function.model
    anywhere = _narrowest([model]) or Domain()
    found = {each.name: anywhere for each in function.inputs}
    tensors = graph_of(model).inputs if is_graph(model) else []
    # A function that samples has one input more than the model: the seeds.
    if len(tensors) in (len(function.inputs), len(function.inputs) - 1):
        for info, tensor in zip(function.inputs, tensors, strict=False):
            found[info.name] = _domain_after(tensor) or anywhere
    if function.takes_seeds:
        found[function.inputs[-1].name] = SEEDS
    return found


def _domain_after(tensor: Any) -> Domain | None:
    waiting, seen = [made_by(tensor)[0]], set()
    while waiting:
        operation = waiting.pop(0)
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        domain = _narrowest([operation])
        if domain is not None:
            return domain
        waiting += [node.operation for node in outbound_nodes(operation)]
    return None


def _narrowest(operations: list[Any]) -> Domain | None:
    found = [
        domain
        for operation in operations
        for part in (parts(operation) if isinstance(operation, keras.layers.Layer) else [operation])
        if (domain := _domain_of(part)) is not None
    ]
    with_choices = [each for each in found if each.choices is not None]
    ordered = with_choices or sorted(found, key=lambda each: each.below)
    return ordered[0] if ordered else None


def _domain_of(part: Any) -> Domain | None:
    """Return the domain of the inputs of one layer or operation, None where it takes any."""
    if isinstance(part, keras.layers.Embedding):
        return Domain(below=part.input_dim)
    if isinstance(part, keras.layers.CategoryEncoding):
        return Domain(below=part.num_tokens or 2)
    if isinstance(part, keras.layers.TextVectorization):
        words = [str(word) for word in part.get_vocabulary(include_special_tokens=False)]
        return Domain(choices=(*words, *_UNKNOWN_WORDS), words=5)
    if isinstance(part, keras.layers.StringLookup) and not part.invert:
        words = [str(word) for word in part.get_vocabulary(include_special_tokens=False)]
        unknown = _UNKNOWN_WORDS if part.num_oov_indices else ()
        return Domain(choices=(*words, *unknown))
    if isinstance(part, keras.layers.IntegerLookup) and not part.invert:
        numbers = [int(number) for number in part.get_vocabulary(include_special_tokens=False)]
        unknown_number = (_UNKNOWN_NUMBER,) if part.num_oov_indices else ()
        return Domain(choices=(*numbers, *unknown_number))
    if isinstance(part, keras.layers.StringLookup | keras.layers.IntegerLookup):
        return Domain(below=part.vocabulary_size())
    if type(part).__name__ == "OneHot" and hasattr(part, "num_classes"):  # of `keras.ops.one_hot`
        return Domain(below=part.num_classes)
    return None
