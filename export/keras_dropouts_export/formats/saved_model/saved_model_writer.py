"""Writes traced functions as a SavedModel that holds them and the weights they read, no more."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Exported
from keras_dropouts_export.formats.saved_model.resources import resources_of
from keras_dropouts_export.formats.saved_model.saved_model_runtime import PATTERN


def temporary_folder(beside: Path) -> TemporaryDirectory[str]:
    """Return a folder for a SavedModel that is read once, where TensorFlow can read it."""
    return TemporaryDirectory(dir=None if set(str(beside)) & PATTERN else beside)


def write_saved_model(exported: Exported, folder: Path) -> None:
    """Write the functions of an export to `folder`.

    The loaded object has the method `serve`, which takes and returns the model's own structures,
    and the signature `serving_default`, which takes inputs by name and returns a dict of outputs
    by name; with Monte-Carlo dropout also `serve_mc` and `serving_mc`. Only variables that the
    functions read are saved, so no seed, rate or optimizer state is among them.
    """
    function = exported.plain
    module = tf.Module(name="served_model")
    concrete = function.concrete
    module.weights = list(concrete.graph.variables)
    names = [each.name for each in function.outputs]

    def by_name(*inputs: Any) -> dict[str, Any]:
        return dict(zip(names, concrete(*inputs), strict=True))

    def structured(*arguments: Any) -> Any:
        outputs = iter(concrete(*keras.tree.flatten(list(arguments))))
        return keras.tree.map_structure(
            lambda is_tensor: next(outputs) if is_tensor else None, function.output_structure
        )

    specs = function.signature.specs
    module.serve = tf.function(
        structured, input_signature=function.signature.arguments(specs), autograph=False
    )
    signature = tf.function(by_name, input_signature=specs, autograph=False)
    # Tables live outside the graph, and are saved because they are tracked.
    module.tables = resources_of(function)
    # Captured constants are not variables; they are kept alive by being tracked.
    module.constants = [x for x, _ in concrete.graph.captures if x.dtype != tf.resource]
    signatures = {function.signature_key: signature.get_concrete_function()}
    if exported.sampled is not None and exported.sampling is not None:
        key = exported.sampled.signature_key
        signatures[key] = _add_samples(module, exported, exported.sampling.to_json())
    if exported.served.decided is not None:
        decided = exported.served.decided.to_json()
        module.calibration = tf.function(lambda: tf.constant(decided), input_signature=[])
    try:
        tf.saved_model.save(module, str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        raise _disk_error(error) from error


def _disk_error(error: Exception) -> Exception:
    """Return the system's own error for one of TensorFlow that only quotes it."""
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES):
        if os.strerror(number) in str(error):
            return OSError(number, os.strerror(number))
    return ExportError(f"TensorFlow cannot write the SavedModel: {error}")


def _add_samples(module: tf.Module, exported: Exported, metadata: str) -> Any:
    """Add Monte-Carlo dropout to a module, and return its signature.

    `serve_mc(inputs, seed)` takes the model's own structure of inputs, and `seed` also by its name,
    as a `TFSMLayer` can only hand it on: its own second argument is `training`. For a model with
    several arguments they come first, and the seed is the last one.
    """
    function: Any = exported.sampled
    concrete = function.concrete
    names = [each.name for each in function.outputs]
    # A function, as a constant that none captures is not saved.
    module.monte_carlo = tf.function(lambda: tf.constant(metadata), input_signature=[])
    # The rates are state of the layers, which the deterministic function does not read.
    module.sampled_weights = list(concrete.graph.variables)
    module.sampled_tables = resources_of(function)
    module.sampled_constants = [x for x, _ in concrete.graph.captures if x.dtype != tf.resource]

    def by_name(*inputs: Any) -> dict[str, Any]:
        return dict(zip(names, concrete(*inputs), strict=True))

    def of_one(inputs: Any, seed: Any) -> dict[str, Any]:
        return by_name(*keras.tree.flatten(inputs), seed)

    def of_several(*arguments: Any) -> dict[str, Any]:
        return by_name(*keras.tree.flatten(list(arguments)))

    *own, seed = function.signature.specs
    arguments = exported.plain.signature.arguments(own)
    module.serve_mc = tf.function(
        of_one if len(arguments) == 1 else of_several,
        input_signature=[*arguments, seed],
        autograph=False,
    )
    signature = tf.function(by_name, input_signature=[*own, seed], autograph=False)
    return signature.get_concrete_function()
