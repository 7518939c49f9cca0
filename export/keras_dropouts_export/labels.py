"""Checks the names of classes that a user gives to the outputs of a model."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import invalid
from keras_dropouts_export.tracing.inference_function import InferenceFunction


def labels_of(function: InferenceFunction, labels: Any) -> dict[str, list[str]]:
    """Return the names of classes by the name of the output.

    labels: None, a list of strings for a model with one output, or a dict from names of outputs to
    such lists. A list has a name for each class along the last axis of its output.

    Raises:
        ValueError: if they are not.
    """
    if labels is None:
        return {}
    sizes = {each.name: (each.shape or (None,))[-1] for each in function.own_outputs}
    given = labels
    if not isinstance(labels, dict):
        if len(sizes) > 1:
            raise invalid("labels", f"a dict by the outputs {sorted(sizes)}", labels)
        given = dict.fromkeys(sizes, labels)
    unknown = sorted(map(str, set(given) - set(sizes)))
    if unknown:
        raise invalid("labels", f"names of outputs, which are {sorted(sizes)}", unknown)
    return {name: _checked(name, sizes[name], each) for name, each in given.items()}


def _checked(name: str, size: int | None, labels: Any) -> list[str]:
    expected = f"a list of strings, one for each of the {size} classes of output {name!r}"
    fits = isinstance(labels, (list, tuple)) and all(isinstance(each, str) for each in labels)
    if not fits or (size is not None and len(labels) != size):
        raise invalid("labels", expected, labels)
    return list(labels)
