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

from keras_dropouts.keras_internals.graphs import is_graph
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.surgery.noise_table import NoiseKind, register_noise, users_kinds
from keras_dropouts_export.errors import ExportError, Stage, missing_class, said_by
from keras_dropouts_export.other_backends.users_code import (
    IN_A_MODULE,
    Definition,
    definition_of,
    definitions_in,
    imported,
)
from keras_dropouts_export.tracing.signature import Signature

_CONFIG = "config.json"  # in a .keras file


@dataclass(frozen=True)
class HandedModel:
    """A model in a .keras file, and what another process needs to read it.

    inputs: what it takes; definitions: of the user's classes and functions; noise: the classes
    that `register_noise` made known; settings: of Keras, by the names of their setters; arguments:
    of the command line.
    """

    file: str
    name: str
    inputs: Signature
    definitions: tuple[Definition, ...]
    noise: tuple[tuple[Definition, NoiseKind], ...]
    settings: dict[str, Any]
    arguments: tuple[str, ...]


def saved(model: keras.Model, folder: Path, inputs: Signature) -> HandedModel:
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
    config = _config_of(file)
    noise = tuple(
        (definition_of(kind, keras.saving.get_registered_name(kind)), known)
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
    named = definitions_in(model, config)
    return HandedModel(str(file), model.name, inputs, named, noise, settings, tuple(sys.argv))


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
            found = imported([definition], handed.name).get(definition.key)
            if found is not None and found not in users_kinds():
                register_noise(found, kind.attributes or None, kind.keeps)
    finally:
        os.environ["KERAS_BACKEND"] = backend  # a script may set it, and processes inherit it
    try:
        model = _loaded(handed, objects)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        raise ExportError(_not_made_again(handed.name, error)) from error
    if model.name != handed.name:
        model.name = handed.name
    return model


def _config_of(file: str | Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        config: dict[str, Any] = json.loads(archive.read(_CONFIG))
    config.pop("compile_config", None)  # losses, metrics and optimizers are not needed
    return config


def _loaded(handed: HandedModel, objects: dict[str, Any]) -> keras.Model:
    """Return the model of the file, in which code (a Lambda) is the user's own.

    Keras builds a model without a graph from shapes alone, and cannot where it takes integers or
    several arguments; so such a model is called on what it takes.
    """
    config = _config_of(handed.file)
    build_config = config.pop("build_config", None)
    model = keras.saving.deserialize_keras_object(config, objects, safe_mode=False)
    if is_graph(model) or build_config is None:
        return keras.saving.load_model(handed.file, objects, compile=False, safe_mode=False)
    specs = handed.inputs.specs
    tensors = [keras.KerasTensor(spec.shape.as_list(), spec.dtype.name) for spec in specs]
    handed.inputs.call(model, tensors)
    model.load_weights(handed.file)
    return model


def _not_made_again(name: str, error: Exception) -> str:
    missing = missing_class(error)
    way_out = (
        f"{missing!r} is not known there. {IN_A_MODULE}"
        if missing
        else "Let the `get_config` of its custom classes say all that their constructors take, and "
        "their `call` use `keras.ops` and nothing of one backend alone."
    )
    return (
        f"Model {name!r} cannot be handed to TensorFlow, which exports it: it cannot be made again "
        f"from its config there. {way_out} Keras says: {said_by(error)}"
    )
