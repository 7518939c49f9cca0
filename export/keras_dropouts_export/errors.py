"""Defines the errors of exports and scoring, and makes them of other libraries' errors."""

from __future__ import annotations

import re
from typing import Any

from keras_dropouts_export.layer_names import layer_named_in

_MISSING = re.compile(r"Could not locate (?:class|function) '([^']+)'")
_LONGEST = 600  # characters of another library's error that are shown
# What TensorFlow and Keras say beside what is wrong: where in the code of libraries an operation
# was made, how it is called inside, and all arguments of a layer.
_BESIDE = re.compile(
    r"\x1b\[[0-9;]*m"
    r"|^[ \t]*File \".*\", line \d+.*$"
    r"|^Graph execution error:$"
    r"|^.*(?:Detected at node|defined at).*\(most recent call last\):$"
    r"|\[\[\{\{[^\]]*\]\]|\{\{(?:function_)?node [^}]*\}\}|\[Op:[^\]]*\](?: name:[^\n]*)?"
    r"|^Arguments received by (?s:.*)",
    re.MULTILINE,
)


class ExportError(RuntimeError):
    """An export that cannot be done, or whose result is not the model; nothing was written.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> words = keras.Input((1,), dtype="string", name="words")
    >>> model = keras.Model(words, keras.layers.StringLookup(vocabulary=["a", "b"])(words))
    >>> try:
    ...     kde.export_onnx(model, "words.onnx")
    ... except kde.ExportError as error:
    ...     print(error)
    Model ... takes strings (words)... Turn them into numbers before the model...
    """


class ScoringError(RuntimeError):
    """An engine that failed while it scored a table; what was scored stays, and nothing else."""


class Stage:
    """Turns what a library raises inside a block into an ExportError that names the layer.

    Args:
        doing: What is done in the block, as in "Model 'm' cannot be converted".
        model: The name of the model.
        passed: Classes of errors that are a user's own business and go through as they are.
    """

    def __init__(
        self, doing: str, model: str, passed: tuple[type[BaseException], ...] = ()
    ) -> None:
        self.doing, self.model, self.passed = doing, model, passed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> None:
        own = (ExportError, ModuleNotFoundError, MemoryError, *self.passed)
        if not isinstance(error, Exception) or isinstance(error, own):
            return
        said = said_by(error)
        layer = layer_named_in(str(error), self.model)
        where = f" The layer is {layer!r}." if layer else ""
        raise ExportError(f"{self.doing}: {said}{where}") from error


def said_by(error: BaseException) -> str:
    """Return what an error says is wrong, in one line, cut if long."""
    text = " ".join(_BESIDE.sub("", str(error)).split()) or " ".join(str(error).split())
    if " " not in text:  # a KeyError says nothing but the key
        text = f"{type(error).__name__} {text}".strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def missing_class(error: BaseException) -> str | None:
    """Return the name of the class that Keras did not find, None for another error than that."""
    found = _MISSING.search(str(error))
    return None if found is None else found[1]
