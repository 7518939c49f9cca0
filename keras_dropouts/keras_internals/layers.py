"""Reads what a Keras layer keeps to itself: its parts, its `training` argument and its build."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_dropouts.keras_internals.versions import first_of, private
from keras_dropouts.types import Layer

_compute_output_spec = first_of("compute_output_spec", "keras.src.backend:compute_output_spec")


def parts(layer: Layer, include_self: bool = True) -> list[Layer]:
    """Return a layer or model and all layers inside it, each once.

    Relies on `Layer._flatten_layers`, since Keras 3.0. As there, metrics may be among them.
    """
    return list(private(layer, "_flatten_layers", "parts")(include_self=include_self))


def children(layer: Layer) -> list[Any]:
    """Return the layers and metrics that a layer holds itself, in the order in which it got them.

    It is the list of the layer itself, not a copy. Relies on `Layer._layers`, since Keras 3.0.
    """
    return private(layer, "_layers", "children")


def own_attributes(layer: Layer) -> dict[str, Any]:
    """Return the attributes of a layer but for those that every layer or model of Keras has.

    On PyTorch parts that are modules are kept in `_modules`, since PyTorch 1.0.
    """
    everyones = {*vars(keras.layers.Layer()), *vars(keras.Model())}
    held = {**vars(layer), **vars(layer).get("_modules", {})}
    return {name: value for name, value in held.items() if name not in everyones}


def takes_training(layer: Layer) -> bool:
    """Return whether the `call` of a layer has an argument `training`.

    Relies on `Layer._call_has_training_arg`, since Keras 3.0.
    """
    return bool(private(layer, "_call_has_training_arg", "takes_training"))


def takes_mask(layer: Layer) -> bool:
    """Return whether the `call` of a layer has an argument `mask`, for a padding mask.

    Relies on `Layer._call_has_mask_arg`, since Keras 3.0.
    """
    return bool(private(layer, "_call_has_mask_arg", "takes_mask"))


def training_default(layer: Layer) -> Any:
    """Return the default of `training` in the `call` of a layer, None where it has none.

    Relies on `Layer._call_signature`, since Keras 3.0.
    """
    signature: inspect.Signature = private(layer, "_call_signature", "training_default")
    parameter = signature.parameters.get("training")
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return None
    return parameter.default


def seed_generators(layer: Layer) -> list[Any]:
    """Return the seed generators that a layer holds itself.

    Relies on `Layer._seed_generators`, since Keras 3.0.
    """
    return private(layer, "_seed_generators", "seed_generators")


def is_from_keras(layer: Any) -> bool:
    """Return whether the class of a layer is one of Keras's own.

    Relies on their modules being called `keras.src...`, since Keras 3.0.
    """
    return type(layer).__module__.startswith("keras.src.")


def is_from_keras_or_ours(layer: Any) -> bool:
    """Return whether the class of a layer is one of Keras's own or of this package."""
    return is_from_keras(layer) or type(layer).__module__.startswith("keras_dropouts.")


def runs_known_code(layer: Any) -> bool:
    """Return whether what a layer computes is written in Keras or here: a Lambda's is a user's."""
    return is_from_keras_or_ours(layer) and not isinstance(layer, keras.layers.Lambda)


def build_shapes(layer: Layer) -> dict[str, Any] | None:
    """Return the shapes that a layer was built with, by argument, None where they are not known.

    Relies on `Layer._build_shapes_dict`, since Keras 3.0.
    """
    return getattr(layer, "_build_shapes_dict", None)


def built_on(layer: Layer) -> tuple[int | None, ...] | None:
    """Return the shape of the one input that a layer was built with, None where it has others.

    Relies on what `build_shapes` relies on.
    """
    shapes = list((build_shapes(layer) or {}).values())
    is_shape = len(shapes) == 1 and isinstance(shapes[0], tuple | list)
    if not is_shape or not all(size is None or isinstance(size, int) for size in shapes[0]):
        return None
    return tuple(shapes[0])


def has_own_build(layer: Layer) -> bool:
    """Return whether the class of a layer defines `build`, which then needs no call of the layer.

    Relies on the mark `_is_default` of `Layer.build`, since Keras 3.0.
    """
    build = type(layer).build
    return not hasattr(build, "_is_default") and build is not keras.Model.build


def mark_as_built(layer: Layer, like: Layer) -> None:
    """Note that a layer is built, with the shapes with which `like` was built.

    Relies on `Layer._build_shapes_dict`, since Keras 3.0.
    """
    layer.built = True
    layer._build_shapes_dict = private(like, "_build_shapes_dict", "mark_as_built")


def build_at_init(layer: Layer) -> None:
    """Mark a layer as built if its class has no `build`; its `__init__` calls this at the end.

    Relies on `Layer._build_at_init`, since Keras 3.10.
    """
    private(layer, "_build_at_init", "build_at_init")()


def lambda_output_shape(layer: keras.layers.Lambda) -> Any:
    """Return the output shape that a Lambda layer was given, or None.

    Relies on `Lambda._output_shape`, since Keras 3.0.
    """
    return private(layer, "_output_shape", "lambda_output_shape")


def recompute_with(wrapper: Layer, layer: Layer) -> None:
    """Leave it to a wrapper to be computed again in the backward pass, as `RematScope` asks for.

    What the wrapper changes in the layer for the time of a call, a dropped kernel for instance, is
    gone when the layer is computed again by itself. Relies on `Layer._remat_mode`, since Keras 3.9.
    """
    for part in parts(layer):
        mode = getattr(part, "_remat_mode", None)
        if mode is not None:
            wrapper._remat_mode = wrapper._remat_mode or mode
            part._remat_mode = None


@contextmanager
def unlocked(layer: Layer) -> Iterator[None]:
    """Let a built layer take new parts and weights inside this block.

    Relies on `Layer._tracker`, since Keras 3.0.
    """
    tracker = private(layer, "_tracker", "unlocked")
    locked = tracker.locked
    tracker.unlock()
    try:
        yield
    finally:
        if locked:
            tracker.lock()


def compute_output_spec(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what a function returns for symbolic tensors, as symbolic tensors.

    Relies on `compute_output_spec` of Keras's backends, since Keras 3.0.
    """
    return _compute_output_spec(function, *args, **kwargs)
