"""From an inference function to a SavedModel that holds the function and its weights alone."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_dropouts_export.inference import InferenceFunction


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


class LoadedSavedModel:
    """A SavedModel to be run by names, as the parity check does."""

    def __init__(self, folder: str) -> None:
        self.loaded = tf.saved_model.load(folder)
        self.signature = self.loaded.signatures["serving_default"]

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name for inputs by name."""
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return {key: value.numpy() for key, value in self.signature(**tensors).items()}
