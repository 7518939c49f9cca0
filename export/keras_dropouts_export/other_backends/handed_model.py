"""Saves a model for another process of the same user, and makes it again there."""

from __future__ import annotations

import json
import os
import sys
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.surgery.noise_table import NoiseKind, register_noise, users_kinds
from keras_dropouts_export.errors import ExportError, Stage
from keras_dropouts_export.other_backends.users_code import (
    Definition,
    definition_of,
    definitions_in,
    imported,
)

_CONFIG = "config.json"  # in a .keras file


@dataclass(frozen=True)
class HandedModel:
    """A model in a .keras file, and what another process needs to read it.

    definitions: of the user's classes and functions; noise: the classes that `register_noise` made
    known; settings: of Keras, by the names of their setters; arguments: of the command line.
    """

    file: str
    name: str
    definitions: tuple[Definition, ...]
    noise: tuple[tuple[Definition, NoiseKind], ...]
    settings: dict[str, Any]
    arguments: tuple[str, ...]


def saved(model: keras.Model, folder: Path) -> HandedModel:
    """Save `model` in `folder`.

    Raises:
        ExportError: if it cannot be saved, or a class of its cannot be imported elsewhere.
    """
    file = folder / "model.keras"
    backend = keras.backend.backend()
    doing = (
        f"Model {model.name!r} cannot be saved as .keras, and an export from {backend!r} needs that"
    )
    with Stage(doing, model.name, (OSError,)), warnings.catch_warnings():
        # It is read by a process of the same user.
        warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
        model.save(file)
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read(_CONFIG))
    config.pop("compile_config", None)  # losses, metrics and optimizers are not needed
    noise = tuple(
        (definition_of(kind), known)
        for kind, known in users_kinds().items()
        if any(isinstance(part, kind) for part in parts(model))
    )
    policy = keras.config.dtype_policy()
    settings = {
        "set_floatx": keras.config.floatx(),
        "set_epsilon": keras.config.epsilon(),
        "set_image_data_format": keras.config.image_data_format(),
        "set_dtype_policy": policy.name,
    }
    named = definitions_in(config, model.name)
    return HandedModel(str(file), model.name, named, noise, settings, tuple(sys.argv))


def read(handed: HandedModel) -> keras.Model:
    """Return the model, in the process that it was handed to.

    Raises:
        ExportError: if it cannot be made again, or a class of its cannot be imported.
    """
    sys.argv[:] = handed.arguments
    for setter, value in handed.settings.items():
        getattr(keras.config, setter)(value)
    backend = os.environ["KERAS_BACKEND"]
    try:
        objects = imported(handed.definitions, handed.name)
        for definition, kind in handed.noise:
            found = imported([definition], handed.name)[definition.key]
            if found not in users_kinds():
                register_noise(found, kind.attributes or None, kind.keeps)
    finally:
        os.environ["KERAS_BACKEND"] = backend  # a script may set it, and processes inherit it
    try:
        # The file comes from the same user, so that code in it (a Lambda) is the user's own.
        model = keras.saving.load_model(
            handed.file, custom_objects=objects, compile=False, safe_mode=False
        )
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        raise ExportError(_not_made_again(handed.name, error)) from error
    if model.name != handed.name:
        model.name = handed.name
    return model


def _not_made_again(name: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    said = text if len(text) <= 600 else f"{text[:600]}..."
    return (
        f"Model {name!r} cannot be handed to TensorFlow, which exports it: it was saved, and "
        f"cannot be made again from its config. Let the `get_config` and `from_config` of its "
        f"custom classes say all that their constructors take. Keras says: {said}"
    )
