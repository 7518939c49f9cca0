"""Finds the names of layers in the names of tensors, and in the errors of TensorFlow and others."""

from __future__ import annotations

import re

# How TensorFlow, onnxruntime and tf2onnx name an operation in what they say.
_OPERATION = re.compile(
    r"\{\{(?:function_)?node ([^}]+)\}\}"
    r"|[Nn](?:ode|ame)(?: with name)?\s*[:=]?\s*\(?['\"]?([\w.]+(?:/[\w.]+)+)"
    r"|['\"]([\w.]+(?:/[\w.]+)+)(?::\d+)?['\"]"
)


def layer_of(tensor: str, model: str) -> str:
    """Return the layers that a tensor is in, as a path from the model down."""
    # TensorFlow adds a number to each scope, as the model was called before.
    parts = [re.sub(r"_[0-9]+$", "", part) for part in tensor.split("/")[:-1]]
    if parts and parts[0] in (model, re.sub(r"_[0-9]+$", "", model)):
        parts = parts[1:]
    return "/".join(parts) or model


def layer_named_in(text: str, model: str) -> str:
    """Return the layers that an error speaks of first, or an empty string where it names none."""
    for match in _OPERATION.finditer(text):
        name = next(each for each in match.groups() if each)
        top = name.split("/")[0]
        if re.sub(r"_[0-9]+$", "", top) in (model, re.sub(r"_[0-9]+$", "", model)):
            return layer_of(name, model)
    return ""
