"""Writes a GRU of Keras as one GRU node of ONNX, where tf2onnx writes a loop over time steps.

While the function is traced for ONNX, the loop of such a layer is one operation of TensorFlow,
`CudnnRNN`, which carries the weights in the order that ONNX wants them in. It is never run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tf2onnx import utils

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.types import Tensor

_GATES = 3


def has_gru(model: Any) -> bool:
    """Return whether a model has a GRU cell, which may be written as a node."""
    return any(type(part) is keras.layers.GRUCell for part in parts(model))


def grus_marked() -> AbstractContextManager[None]:
    """Trace inside this block, and a loop over a GRU cell is one operation that `handle` writes."""
    return replaced_in_thread(keras.layers.RNN, "inner_loop", _marked)


def _marked(original: Callable[..., Any]) -> Callable[..., Any]:
    def inner_loop(
        layer: Any, sequences: Tensor, initial_state: Any, mask: Any = None, training: bool = False
    ) -> Any:
        if not _is_one_node(layer, sequences, mask):
            return original(layer, sequences, initial_state, mask=mask, training=training)
        state = keras.tree.flatten(initial_state)[0]
        outputs, last = _marker(layer, sequences, state)
        return last, outputs, [last]

    return inner_loop


def _is_one_node(layer: Any, sequences: Tensor, mask: Any) -> bool:
    """Return whether ONNX's GRU computes what a layer does: its mask is for the end of rows alone.

    Other activations than the default ones stay a loop, and so does a cell that has a rate: at
    inference rates are 0, and in a Monte-Carlo sample the cell drops whatever `training` is.
    """
    cell = layer.cell
    if type(cell) is not keras.layers.GRUCell or keras.tree.flatten(mask) not in ([], [None]):
        return False
    drops = cell.dropout or cell.recurrent_dropout
    return (
        not drops
        and not layer.unroll
        and cell.activation is keras.activations.tanh
        and cell.recurrent_activation is keras.activations.sigmoid
        and sequences.dtype == tf.float32
        and cell.compute_dtype == cell.variable_dtype == "float32"
        and sequences.shape[-1] is not None
    )


def _marker(layer: Any, sequences: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs of all time steps, batch first, and the last one."""
    cell, units = layer.cell, layer.cell.units
    if layer.go_backwards:
        sequences = tf.reverse(sequences, [1])
    bias = tf.zeros([2 * _GATES * units])
    if cell.use_bias:
        given = tf.reshape(tf.convert_to_tensor(cell.bias), [-1])
        bias = given if cell.reset_after else tf.concat([given, tf.zeros([_GATES * units])], 0)
    matrices = [tf.transpose(tf.convert_to_tensor(w)) for w in (cell.kernel, cell.recurrent_kernel)]
    made = tf.raw_ops.CudnnRNN(
        input=tf.transpose(sequences, [1, 0, 2]),
        input_h=state[tf.newaxis],
        input_c=state[tf.newaxis],
        params=tf.concat([*(tf.reshape(w, [-1]) for w in matrices), bias], 0),
        rnn_mode="gru",
        seed=int(cell.reset_after),  # an integer that the operation keeps, and does not use here
        is_training=False,
    )
    outputs, last = tf.transpose(made.output, [1, 0, 2]), made.output_h[0]
    outputs.set_shape([*sequences.shape[:2], units])
    last.set_shape([sequences.shape[0], units])
    return outputs, last


def handle(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write the operation as a GRU node, as a handler of tf2onnx."""
    source, state, params = node.input[0], node.input[1], node.inputs[3]
    width, units = graph.get_shape(source)[-1], graph.get_shape(state)[-1]
    rows = _GATES * units
    sizes = {"W": [1, rows, width], "R": [1, rows, units], "B": [1, 2 * rows]}
    begin, weights = 0, []
    for key, size in sizes.items():
        end = begin + int(np.prod(size))
        weights.append(_part(graph, f"{name}_{key}", params, begin, end, size))
        begin = end
    reset_after = node.get_attr_int("seed")
    outputs, shapes, dtypes = list(node.output), node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    gru = graph.make_node(
        "GRU",
        [source, *weights, "", state],
        attr={"hidden_size": units, "linear_before_reset": reset_after},
        outputs=[utils.make_name(f"{name}_{output}") for output in ("Y", "Y_h")],
        name=node.name,
        skip_conversion=True,
    )
    axis = graph.make_const(utils.make_name(f"{name}_axis"), np.array([1], np.int64)).output[0]
    pairs = (("Squeeze", [gru.output[0], axis]), ("Identity", [gru.output[1]]))
    for index, (operation, inputs) in enumerate(pairs):
        graph.make_node(
            operation,
            inputs,
            outputs=[outputs[index]],
            shapes=[shapes[index]],
            dtypes=[dtypes[index]],
            op_name_scope=name,
            skip_conversion=True,
        )


def _part(graph: Any, name: str, params: Any, begin: int, end: int, shape: list[int]) -> str:
    """Return the tensor of `shape` that lies at begin:end of the weights."""

    def constant(value: Any) -> str:
        return str(graph.make_const(utils.make_name(name), value).output[0])

    if params.is_const():
        return constant(params.get_tensor_value(as_list=False)[begin:end].reshape(shape))
    bounds = [constant(np.array([each], np.int64)) for each in (begin, end)]
    part = graph.make_node(
        "Slice", [params.output[0], *bounds], op_name_scope=name, skip_conversion=True
    )
    size = constant(np.array(shape, np.int64))
    shaped = graph.make_node(
        "Reshape", [part.output[0], size], op_name_scope=name, skip_conversion=True
    )
    return str(shaped.output[0])
