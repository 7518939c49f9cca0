"""From an inference function to a SavedModel that holds the function and its weights alone."""

from __future__ import annotations

import os
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts_export.inference import InferenceFunction, inference_function
from keras_dropouts_export.pipeline import Progress, export
from keras_dropouts_export.report import ExportReport


def export_saved_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    samples: int | None = None,
    *,
    input_signature: Any = None,
    overwrite: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `model` at inference to a SavedModel, once the reloaded one agrees with it.

    Every noise source is off, whatever the model, and no seed, rate or optimizer state is in the
    folder. The loaded object has the method `serve`, which takes and returns the model's own
    structures, and the signature `serving_default`, with inputs and outputs by name (in the name of
    an input, what Python allows in no identifier becomes `_`: TensorFlow's rule). `model` is not
    changed.

    Args:
        model: A built Keras model of any kind.
        path: Name of the folder to be made, in an existing one.
        samples: None. (An integer keeps dropout alive: Monte-Carlo dropout in the artifact.)
        input_signature: As for `export_onnx`.
        overwrite: Whether to replace a SavedModel at `path`.
        atol: Absolute tolerance of the comparison; see `verify`.
        rtol: Relative tolerance of the comparison; see `verify`.
        seed: Seed of the inputs that model and artifact are compared on.
        progress: Called with the name of each step as it begins.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the model is not
            built.
        FileExistsError, FileNotFoundError, PermissionError: if nothing can be written at `path`.
        ExportError: naming what is left or what differs; nothing is written.

    Example:

    >>> import keras, keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="score")])
    >>> report = kde.export_saved_model(model, "score")  # doctest: +SKIP
    """
    if samples is not None:
        raise invalid("samples", "None", samples)
    return export(
        path=path,
        kind="saved_model",
        make=lambda: inference_function(model, input_signature),
        write=lambda function, place: write_saved_model(function, str(place)),
        overwrite=overwrite,
        progress=progress,
        parity={"atol": atol, "rtol": rtol, "seed": seed},
    )


def write_saved_model(function: InferenceFunction, folder: str) -> None:
    """Write `function` to `folder`, with the method `serve` and the signature `serving_default`.

    `serve` takes and returns the model's own structures; the signature takes inputs by name and
    returns a dict of outputs by name. Only variables that the function reads are saved, so no
    seed, rate or optimizer state is among them.
    """
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
    # Captured constants are not variables; they are kept alive by being tracked.
    module.constants = [x for x, _ in concrete.graph.captures if x.dtype != tf.resource]
    tf.saved_model.save(
        module, folder, signatures={"serving_default": signature.get_concrete_function()}
    )
