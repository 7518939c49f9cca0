"""Traces a model as the function that is served: no noise, inputs and outputs by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dropouts.keras_internals.graphs import graph_of, inbound_nodes, is_graph, made_by
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.surgery.batch_size import keeps_needless_batch_size
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.sources import is_removable
from keras_dropouts.types import Tensor
from keras_dropouts_export.decided_outputs import DecidedOutputs
from keras_dropouts_export.tracing.concrete_functions import traced
from keras_dropouts_export.tracing.inference_mode import inference_mode, noise_off
from keras_dropouts_export.tracing.sample_inputs import SampleInputs, known_signature
from keras_dropouts_export.tracing.signature import Signature, unique_names
from keras_dropouts_export.tracing.weight_inputs import taking_weights, with_weight_inputs


@dataclass(frozen=True)
class TensorInfo:
    """Name, shape (None where dynamic) and dtype of an input or output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def dimensions(self) -> list[int | str]:
        """The sizes, with names for the dynamic ones: `batch`, or `<tensor>_<axis>`."""
        return [
            size if size is not None else f"{self.name}_{axis}" if axis else "batch"
            for axis, size in enumerate(self.shape)
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.dimensions))}]"


@dataclass(frozen=True)
class InferenceFunction:
    """A traced function of flat inputs, and what is known of them.

    `concrete` is a function of TensorFlow that takes one tensor for each input, in the order of
    `inputs`, and returns a list in the order of `outputs`. `eager` does the same without a graph,
    with the model itself: it is what an artifact is compared with. `retrace` traces the function
    again with Keras variables as more inputs, in float32 where the interface was bfloat16. `chosen`
    are the inputs, by name, that a user wants it to be tried with, None where they are to be drawn.
    `elsewhere` gives the own outputs by name of the user's own model, where that runs in another
    process on another backend, `backend_elsewhere`.
    """

    model: keras.Model
    name: str
    concrete: Any
    signature: Signature
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    output_structure: Any
    eager: Callable[[list[Tensor]], list[Tensor]]
    retrace: Callable[[Sequence[Any]], InferenceFunction] | None = None
    chosen: dict[str, np.ndarray] | None = None
    elsewhere: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None
    backend_elsewhere: str | None = None
    signature_key: str = "serving_default"  # under which a SavedModel holds it
    takes_seeds: bool = False  # whether its last input is the seeds of the rows
    shared_draws: dict[str, str] = field(default_factory=dict)  # as `ExportReport` has them
    forward: Callable[[list[Tensor]], Any] | None = None  # the model's structure of flat inputs
    # What is said of the outputs beside them in an artifact, and the outputs of this function that
    # say it: with Monte-Carlo dropout the function of samples has them, and not the plain one.
    decided: DecidedOutputs | None = None
    added: tuple[str, ...] = ()

    @property
    def own_outputs(self) -> tuple[TensorInfo, ...]:
        """The outputs without those that are added."""
        return tuple(each for each in self.outputs if each.name not in self.added)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of the graph by name, for inputs by name."""
        return self._named(self.concrete(*self._tensors(inputs)))

    def expected(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of the model itself, run eagerly, by name, for inputs by name.

        Tracing is one of the things that can go wrong, so artifacts are compared with this. What
        TensorFlow can compute on this machine in a graph only, such as a convolution with the
        channels first on a CPU, is computed in the graph.
        """
        tensors = self._tensors(inputs)
        try:
            return self._named(self.eager(tensors))
        except tf.errors.OpError:  # the graph says what is wrong, if anything is
            return self._named(self.concrete(*tensors))

    def _tensors(self, inputs: dict[str, np.ndarray]) -> list[Tensor]:
        return [tf.constant(inputs[each.name], each.dtype) for each in self.inputs]

    def _named(self, outputs: Sequence[Tensor]) -> dict[str, np.ndarray]:
        return {each.name: value.numpy() for each, value in zip(self.outputs, outputs, strict=True)}


def inference_function(
    model: keras.Model, signature: Any = None, samples: SampleInputs | None = None
) -> InferenceFunction:
    """Return the function that `model` is at inference, with every noise source off.

    Args:
        model: A built Keras model of any kind.
        signature: None, or what the model takes as its first argument (a tuple: its arguments): a
            structure of `keras.InputSpec`, `tf.TensorSpec` or Keras tensors. Needed for a
            subclassed model with several arguments or whose inputs are not floats, unless
            `samples` tell.
        samples: None, or inputs that the function is to be tried with.

    Raises:
        ValueError: if `model` is not a Keras model, is not built, or its inputs are not known, or
            `samples` are not inputs of it.
        ExportError: if it cannot be traced.
    """
    given = served_signature(model, signature, samples)
    chosen = None if samples is None else samples.by_name(given)
    function = trace(model, given, lambda inputs: given.call(model, inputs))
    return replace(function, chosen=chosen)


def served_signature(
    model: keras.Model, given: Any = None, samples: SampleInputs | None = None
) -> Signature:
    """Return the inputs that an artifact of `model` takes, on any backend.

    Raises:
        ValueError: if `model` is not a Keras model, is not built, or its inputs are not known, or
            `samples` are not inputs of it.
    """
    check_model(model)
    found = known_signature(model, given, samples)
    if given is None and keeps_needless_batch_size(model):
        found = found.with_batch(None)
    if samples is not None:
        samples.by_name(found)
    return found


def trace(
    model: keras.Model,
    signature: Signature,
    forward: Callable[[list[Tensor]], Any],
    named: Callable[[Any, Any], list[str]] | None = None,
) -> InferenceFunction:
    """Return the traced form of `forward`, which maps flat inputs to any structure of outputs.

    named: makes the names of the outputs of the model and the structure, None: as the model does.
    """
    structures: list[Any] = []

    def flat(*inputs: Tensor) -> list[Tensor]:
        outputs = forward(list(inputs))
        structures.append(keras.tree.map_structure(lambda x: tf.is_tensor(x), outputs))
        return [tf.identity(x) for x in keras.tree.flatten(outputs) if tf.is_tensor(x)]

    function = tf.function(flat, input_signature=signature.specs, autograph=False)
    with inference_mode(model):
        concrete = traced(function, model)
    names = unique_names((named or output_names)(model, structures[-1]), signature.names)
    outputs = concrete.outputs

    def eager(inputs: list[Tensor]) -> list[Tensor]:
        with noise_off(model):
            outputs = forward(inputs)
        return [x for x in keras.tree.flatten(outputs) if tf.is_tensor(x)]

    def retrace(weights: Sequence[Any]) -> InferenceFunction:
        with_weights = with_weight_inputs(signature.widened(), weights)
        return trace(model, with_weights, taking_weights(forward, weights), named)

    return InferenceFunction(
        model=model,
        name=model.name,
        concrete=concrete,
        eager=eager,
        retrace=retrace,
        signature=signature,
        inputs=tuple(
            _info(name, spec) for name, spec in zip(signature.names, signature.specs, strict=True)
        ),
        outputs=tuple(_info(name, x) for name, x in zip(names, outputs, strict=True)),
        output_structure=structures[-1],
        forward=forward,
    )


def _info(name: str, tensor: Any) -> TensorInfo:
    shape = tensor.shape.as_list() if tensor.shape.rank is not None else []
    return TensorInfo(name, tuple(shape), tensor.dtype.name)


def output_names(model: Any, structure: Any) -> list[str]:
    """Return a name for each output: its key, or the name of the layer that makes it."""
    flat = keras.tree.flatten_with_path(structure)
    tensors = graph_of(model).outputs if is_graph(model) else None
    makers = [_maker(x) for x in tensors] if tensors else ["output"] * len(flat)
    names = []
    for (path, is_tensor), maker in zip(flat, makers, strict=True):
        if is_tensor:
            keyed = any(isinstance(part, str) for part in path)
            names.append("_".join(str(part) for part in path) if keyed else maker)
    return names


def _maker(tensor: Any) -> str:
    """Return the name of the layer that makes a tensor, layers of mere noise left out."""
    operation, index = made_by(tensor)
    while is_removable(operation) and inbound_nodes(operation)[index].input_tensors:
        tensor = inbound_nodes(operation)[index].input_tensors[0]
        operation, index = made_by(tensor)
    stand_in = operation.stripped() if isinstance(operation, BaseDropout) else None
    return str(operation.name if stand_in is None else stand_in.name)
