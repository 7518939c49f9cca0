"""Runs a layer's forward and backward pass on each backend, and measures the bytes it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

MODES = {"tensorflow": ("graph", "jit"), "jax": ("jit",), "torch": ("eager", "compile")}


def contender(layer: Any, shape: tuple[int, ...], mode: str) -> Callable[[int], None]:
    """Return a function that runs a layer in training, forward and backward, n times and waits.

    The gradient is taken of the input and of the layer's weights. `layer` is a Keras layer, or on
    PyTorch a module.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, "float32")
    if isinstance(layer, keras.Layer) and not layer.built:
        layer.build(shape)
    return _CONTENDERS[keras.backend.backend()](layer, x, mode)


def _tensorflow(layer: Any, x: Any, mode: str) -> Callable[[int], None]:
    import tensorflow as tf

    inputs = tf.constant(x)
    upstream = tf.ones_like(layer(inputs, training=True))
    sources = [variable.value for variable in layer.trainable_variables]

    def step(inputs: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            targets = [outputs, *layer.losses]
        seeds = [upstream, *(tf.ones_like(loss) for loss in targets[1:])]
        return outputs, tape.gradient(targets, [inputs, *sources], output_gradients=seeds)

    compiled = tf.function(step, jit_compile=mode == "jit", autograph=False)
    has_gpu = bool(tf.config.list_physical_devices("GPU"))

    def run(times: int) -> None:
        for _ in range(times):
            outputs, _ = compiled(inputs, upstream)
        if has_gpu:
            tf.reshape(outputs, [-1])[0].numpy()

    return run


def _jax(layer: Any, x: Any, mode: str) -> Callable[[int], None]:
    import jax

    state: dict[str, Any] = {"weights": [each.value for each in layer.non_trainable_variables]}
    trainable = [each.value for each in layer.trainable_variables]

    def step(weights: Any, trainable: Any, inputs: Any, upstream: Any) -> Any:
        def forward(inputs: Any, trainable: Any) -> Any:
            return layer.stateless_call(trainable, weights, inputs, training=True)

        outputs, backward, weights = jax.vjp(forward, inputs, trainable, has_aux=True)
        return outputs, backward(upstream), weights

    compiled = jax.jit(step)
    inputs = jax.numpy.asarray(x)
    # An argument, as what is a constant XLA works out while it compiles, for minutes.
    upstream = jax.numpy.ones_like(layer(inputs, training=True))

    def run(times: int) -> None:
        for _ in range(times):
            *results, state["weights"] = compiled(state["weights"], trainable, inputs, upstream)
        jax.block_until_ready(results)

    return run


def _torch(layer: Any, x: Any, mode: str) -> Callable[[int], None]:
    import torch

    is_keras = isinstance(layer, keras.Layer)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    inputs = torch.tensor(x, requires_grad=True, device=device)
    upstream = torch.ones_like(inputs)

    def forward(inputs: Any) -> Any:
        return layer(inputs, training=True) if is_keras else layer(inputs)

    called = torch.compile(forward) if mode == "compile" else forward

    def run(times: int) -> None:
        for _ in range(times):
            inputs.grad = None
            called(inputs).backward(upstream)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


_CONTENDERS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def bytes_kept(layer: Any, shape: tuple[int, ...]) -> float:
    """Return how many bytes an element a layer keeps from its forward for its backward pass.

    Its input and the gradient that comes in are not counted: others hold them.
    """
    if isinstance(layer, keras.Layer) and not layer.built:
        layer.build(shape)
    kept = _BYTES_KEPT[keras.backend.backend()](layer, shape)
    return float(kept / np.prod(shape))


def _tensorflow_bytes(layer: Any, shape: tuple[int, ...]) -> int:
    import tensorflow as tf

    sizes: dict[str, int] = {}

    @tf.function(autograph=False)
    def step(inputs: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        forward = set(outputs.graph.get_operations())
        gradient = tape.gradient(outputs, inputs, output_gradients=upstream)
        for tensor in _needed(gradient, forward):
            sizes[tensor.name] = int(np.prod(tensor.shape)) * tensor.dtype.size
        return gradient

    spec = tf.TensorSpec(shape, tf.float32)
    step.get_concrete_function(spec, spec)
    return sum(sizes.values())


def _needed(result: Any, forward: set[Any]) -> list[Any]:
    """Return the tensors that operations in `forward` make and the result's own ones read."""
    found, seen, ahead = [], set(), [result.op]
    while ahead:
        operation = ahead.pop()
        if operation in seen or operation in forward:
            continue
        seen.add(operation)
        for tensor in operation.inputs:
            if tensor.op in forward and tensor.op.type not in ("Placeholder", "Const"):
                found.append(tensor)
            ahead.append(tensor.op)
    return found


def _jax_bytes(layer: Any, shape: tuple[int, ...]) -> int:
    import jax

    weights = [each.value for each in layer.non_trainable_variables]
    inputs = jax.numpy.ones(shape)

    @jax.jit
    def backward_of(inputs: Any, weights: Any) -> Any:
        _, backward, _ = jax.vjp(
            lambda inputs: layer.stateless_call([], weights, inputs, training=True),
            inputs,
            has_aux=True,
        )
        return backward

    backward = backward_of(inputs, weights)
    return sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(backward))


def _torch_bytes(layer: Any, shape: tuple[int, ...]) -> int:
    import torch

    sizes: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    inputs = torch.ones(shape, requires_grad=True)
    is_keras = isinstance(layer, keras.Layer)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _outputs = layer(inputs, training=True) if is_keras else layer(inputs)
    sizes.pop(inputs.data_ptr(), None)
    return sum(sizes.values())


_BYTES_KEPT = {"tensorflow": _tensorflow_bytes, "jax": _jax_bytes, "torch": _torch_bytes}
